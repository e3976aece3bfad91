"""Controls of the decoding tools: effects and leaks are found where they exist, and only there.

Run ``python benchmarks/decoding_controls.py [--simulations N]``.
"""

import argparse
import time

import mne
import numpy as np
from mne.decoding import Scaler, Vectorizer
from scipy.stats import kstest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from npa.decoding import audit_scaling, compare, minmax_per_class
from npa.recordings.trials import Trials
from npa_ann.decoding import LSTMDecoder

LDA = make_pipeline(Vectorizer(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))


def simulate(effect, seed, n_subjects=4, n_trials=100, n_channels=8, n_times=60):
    """Brownian noise plus, for faces, a bump of 0.17 s whose height differs between subjects."""
    rng = np.random.default_rng(seed)
    n = n_subjects * n_trials
    X = rng.standard_normal((n, n_channels, n_times)).cumsum(axis=-1) / np.sqrt(n_times)
    X += rng.standard_normal(X.shape)
    y = np.tile(["face", "noise"], n // 2)
    groups = np.repeat([f"s{number}" for number in range(n_subjects)], n_trials)
    height = np.repeat(effect * rng.uniform(0.7, 1.3, n_subjects), n_trials) * (y == "face")
    bump = np.exp(-0.5 * ((np.arange(n_times) - 0.4 * n_times) / 5) ** 2)
    X[:, : n_channels // 2] += height[:, None, None] * bump
    names = [f"ch{number}" for number in range(n_channels)]
    info = mne.create_info(names, 60.0, "eeg")
    return Trials(1e-5 * X, y, groups, groups, np.arange(n_times) / 60, tuple(names), {}, info)


def positive_control():
    """Print the accuracy across subjects of a converged LSTM, the published recipe, and LDA."""
    decoders = {
        "LSTM, Adam 0.005, early stopping": LSTMDecoder(
            optimizer="adam", learning_rate=0.005, epochs=60, early_stopping=True
        ),
        "LSTM, SGD 0.0002, 60 steps": LSTMDecoder(),
        "shrinkage LDA": LDA,
    }
    conditions = {"strong effect": simulate(2.0, 0), "no effect": simulate(0.0, 0)}
    start = time.perf_counter()
    result = compare(conditions, decoders, LeaveOneGroupOut(), n_permutations=99)
    print(f"across 4 subjects ({time.perf_counter() - start:.0f} s)")
    for cell in result.cells.to_dict("records"):
        print(
            f"  {cell['condition']:14s} {cell['decoder']:34s} accuracy {cell['accuracy']:.3f} "
            f"[{cell['accuracy_low']:.3f}, {cell['accuracy_high']:.3f}]  AUC {cell['auc']:.3f}  "
            f"Holm p {cell['p_holm']:.2f}"
        )


def negative_control(n_simulations, n_permutations=49):
    """Print how uniform the p-values of shrinkage LDA are where there is no effect."""
    start = time.perf_counter()
    p = []
    for seed in range(n_simulations):
        trials = simulate(0.0, 1000 + seed, n_subjects=3, n_trials=20, n_channels=2, n_times=4)
        result = compare(
            {"null": trials},
            {"lda": LDA},
            LeaveOneGroupOut(),
            n_permutations=n_permutations,
            n_bootstraps=1,
            random_state=seed,
        )
        p.append(result.cells["p"][0])
    print(
        f"{n_simulations} null simulations, {n_permutations} permutations: "
        f"KS p {kstest(p, 'uniform').pvalue:.3f}, share of p <= 0.05 "
        f"{np.mean(np.array(p) <= 0.05):.3f} ({time.perf_counter() - start:.0f} s)"
    )


def audit_rates(n_simulations):
    """Print how often the audit calls a leak, for a scaling with one and for two without."""
    scalers = {
        "minmax_per_class": minmax_per_class,
        "Scaler, fitted in-fold": Scaler(scalings="mean"),
        "nothing": lambda X, y, groups: X,
    }
    for name, scaler in scalers.items():
        start = time.perf_counter()
        audits = []
        for seed in range(n_simulations):
            trials = simulate(0.0, 2000 + seed, n_trials=40, n_channels=4, n_times=30)
            given = trials.X, trials.y, trials.groups
            audits.append(audit_scaling(*given, scaler, n_permutations=99, random_state=seed))
        within = np.mean([audit.leaks_within for audit in audits])
        across = np.mean([audit.leaks_across for audit in audits])
        either = np.mean([audit.leaks for audit in audits])
        print(
            f"audit of {name:24s} leak within {within:.3f}, across {across:.3f}, either "
            f"{either:.3f} of {n_simulations} ({time.perf_counter() - start:.0f} s)"
        )


def main():
    """Run all controls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=200)
    args = parser.parse_args()
    positive_control()
    negative_control(args.simulations)
    audit_rates(args.simulations)


if __name__ == "__main__":
    main()
