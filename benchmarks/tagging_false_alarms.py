"""How often `FrequencyTagger` finds responses in noise: share of seeds with any rejection.

The false discovery rate is held at 5 % over all terms and channels, so that in noise alone 5 % of
seeds may have a rejection. Run ``python benchmarks/tagging_false_alarms.py [--seeds N]``.
"""

import argparse

import numpy as np
from scipy.stats import false_discovery_control, norm

from npa.estimators.tagging import FrequencyTagger

SFREQ = 120.0


def noise(n_epochs, n_channels, n_times, exponent, seed):
    """Noise of power f^-exponent, cut out of records twice as long."""
    rng = np.random.default_rng(seed)
    freqs = np.fft.rfftfreq(2 * n_times, 1 / SFREQ)
    gain = np.r_[0, freqs[1:] ** (-exponent / 2)]
    spectrum = gain * rng.normal(size=(2, n_epochs, n_channels, len(freqs)))
    return np.fft.irfft(spectrum[0] + 1j * spectrum[1])[..., :n_times]


def alarms(tags, seconds, n_epochs, n_channels, exponent, n_seeds):
    """Return the shares of seeds with any rejection: by the F-test, and by z-scores."""
    tagger = FrequencyTagger(tags, measure="zscore", sfreq=SFREQ)
    by_f, by_z = 0, 0
    for seed in range(n_seeds):
        x = noise(n_epochs, n_channels, round(seconds * SFREQ), exponent, seed)
        report = tagger.fit(x).tags_
        by_f += report.significant.any()
        z = report.values * np.sqrt(n_epochs)
        by_z += (false_discovery_control(norm.sf(z), axis=None) <= 0.05).any()
    return by_f / n_seeds, by_z / n_seeds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    n_seeds = parser.parse_args().seeds
    print(f"{n_seeds} seeds   tags          s  epochs  channels  1/f^    F-test  z-test")
    for tags, seconds in (((6.0, 7.5), 2.0), ((6.0, 7.5), 4.0), ((5.0, 6.7, 8.15), 20.0)):
        for n_epochs, n_channels in ((1, 1), (10, 1), (10, 8)):
            for exponent in (0.0, 1.0, 2.0):
                by_f, by_z = alarms(tags, seconds, n_epochs, n_channels, exponent, n_seeds)
                print(f"{tags!s:24} {seconds:4g} {n_epochs:7} {n_channels:9} {exponent:5g} "
                      f"{by_f:9.1%} {by_z:7.1%}")  # fmt: skip
