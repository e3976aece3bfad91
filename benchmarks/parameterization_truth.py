"""Simulated spectra of which background and peaks are known, and scores of what a method finds.

Signals are Gaussian noise with the wanted spectrum, of which power is estimated as in practice:
by Welch's method (or tapers), so that noise, correlation of bins and leakage are those of
recordings. Methods see power; scores compare with the truth.

Run ``python -m benchmarks.parameterization_truth [--spectra N]`` for the table of FOOOF's rule and
of selection by BIC.
"""

import argparse
from dataclasses import dataclass, field

import numpy as np

from npa.spectral import degrees_of_freedom, fit_spectra, psd

SFREQ = 100.0
FREQ_RANGE = (1.0, 45.0)
SHAPES = ("gaussian", "additive", "lorentzian", "skewed")
MAX_SHIFT_SDS, MIN_SHIFT = 1.5, 1.0  # a found peak is right if it is this near (SDs, Hz)


@dataclass
class Simulation:
    """Spectra and their truth.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_spectra, n_freqs)
        Estimated power.
    exponent, knee_freq : array, shape (n_spectra,)
        Truth of the backgrounds; a knee frequency (Hz) of 0 is a straight line.
    peaks : list of array, shape (n_peaks, 3)
        Centre (Hz), height (log10 units) and standard deviation (Hz) of the peaks of each.
    dof, correlated_bins : float
        Degrees of freedom of the power, and the number of correlated bins.
    signals : array, shape (n_spectra, n_times)
        The signals, of unit variance; ``power`` is that of the signals before they were scaled.
    """

    freqs: np.ndarray
    power: np.ndarray
    exponent: np.ndarray
    knee_freq: np.ndarray
    peaks: list[np.ndarray] = field(repr=False)
    dof: float
    correlated_bins: float
    signals: np.ndarray = field(repr=False)


def draw_truth(
    n_spectra,
    rng,
    *,
    knee=False,
    n_peaks=(0, 4),
    separation=0.0,
    max_freq=40.0,
    exponents=(0.5, 2.5),
    widths=(0.6, 3.0),
):
    """Return exponents, knee frequencies and peaks.

    ``n_peaks``, ``exponents`` and ``widths`` (standard deviations, Hz) are the smallest and the
    largest; ``separation`` is the smallest distance of peaks in the sum of their standard
    deviations.
    """
    exponent = rng.uniform(*exponents, n_spectra)
    knee_freq = rng.uniform(2, 15, n_spectra) if knee else np.zeros(n_spectra)
    peaks = []
    for number in rng.integers(n_peaks[0], n_peaks[1] + 1, n_spectra):
        drawn = []
        for _ in range(1000):
            if len(drawn) == number:
                break
            new = rng.uniform(3, max_freq), rng.uniform(0.2, 1.2), rng.uniform(*widths)
            if all(abs(new[0] - old[0]) >= separation * (new[2] + old[2]) for old in drawn):
                drawn.append(new)
        peaks.append(np.array(sorted(drawn)).reshape(-1, 3))
    return exponent, knee_freq, peaks


def log_spectrum(freqs, exponent, knee_freq, peaks, shape="gaussian"):
    """Return log10 of power with peaks of a shape."""
    freqs = np.maximum(freqs, 0.25)  # flat below, so that drift does not dominate
    log_power = -np.log10(knee_freq**exponent + freqs**exponent)
    for centre, height, sd in peaks:
        distance = (freqs - centre) / sd
        if shape == "gaussian":
            log_power += height * np.exp(-(distance**2) / 2)
        elif shape == "additive":  # of the power of a rhythm, as wide at half its power
            log_power += np.log10(1 + (10**height - 1) * np.exp(-(distance**2) / 2))
        elif shape == "lorentzian":  # resonance: as an autoregressive process has
            log_power += np.log10(1 + (10**height - 1) / (1 + (distance / 1.18) ** 2))
        elif shape == "skewed":
            side = np.where(distance < 0, 0.7, 1.4)
            log_power += height * np.exp(-((distance / side) ** 2) / 2)
        else:
            raise ValueError(f"shape must be one of {SHAPES}, got {shape!r}.")
    return log_power


def simulate_spectra(
    n_spectra,
    *,
    shape="gaussian",
    n_windows=20,
    window=2.0,
    method="welch",
    line_noise=0.0,
    random_state=0,
    sfreq=SFREQ,
    freq_range=FREQ_RANGE,
    **truth,
):
    """Return the `Simulation` of recordings of ``n_windows`` Hann windows that overlap by half.

    ``line_noise`` is the height of a narrow line at 40 Hz in log10 units; ``truth`` is for
    `draw_truth`.
    """
    rng = np.random.default_rng(random_state)
    exponent, knee_freq, peaks = draw_truth(n_spectra, rng, **truth)
    length = round(window * sfreq)
    n_times = length + (n_windows - 1) * (length // 2)
    freqs = np.fft.rfftfreq(4 * n_times, 1 / sfreq)
    power, signals = [], []
    for each in range(n_spectra):
        log_power = log_spectrum(freqs, exponent[each], knee_freq[each], peaks[each], shape)
        if line_noise:
            log_power += line_noise * (np.abs(freqs - 40) < 0.05)
        parts = rng.standard_normal((2, len(freqs))) * 10 ** (log_power / 2)
        signal = np.fft.irfft(parts[0] + 1j * parts[1])[:n_times]
        options = {"n_per_seg": length} if method == "welch" else {}
        found, one = psd(signal, sfreq, method=method, freq_range=freq_range, **options)
        power.append(one)
        signals.append(signal / signal.std())
    precision = degrees_of_freedom([(0, n_times)], sfreq, method=method, **options)
    return Simulation(
        found, np.array(power), exponent, knee_freq, peaks, *precision, np.array(signals)
    )


def match_peaks(found, true):
    """Return the pairs of indices of found and true centres, nearest first.

    Parameters
    ----------
    found : array, shape (n_found,)
        Centre frequencies in Hz.
    true : array, shape (n_true, 3)
        Centre, height and standard deviation.
    """
    distance = np.abs(np.subtract.outer(np.asarray(found, float), true[:, 0]))
    distance[distance > np.maximum(MAX_SHIFT_SDS * true[:, 2], MIN_SHIFT)] = np.inf
    pairs = []
    while distance.size and np.isfinite(distance.min()):
        pair = np.unravel_index(distance.argmin(), distance.shape)
        pairs.append((int(pair[0]), int(pair[1])))
        distance[pair[0]] = distance[:, pair[1]] = np.inf
    return pairs


def score(simulation, exponent, gaussians):
    """Return how well exponents and peaks are recovered.

    Parameters
    ----------
    simulation : Simulation
        The truth.
    exponent : array, shape (n_spectra,)
        Fitted exponents; NaN where the fit failed.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Fitted centres (Hz), heights (log10 units) and standard deviations (Hz); NaN where there
        are fewer.
    """
    n_false = n_missed = n_right = 0
    shifts = []
    for rows, true in zip(gaussians, simulation.peaks, strict=True):
        found = rows[np.isfinite(rows[:, 0]), 0]
        pairs = match_peaks(found, true)
        n_false += len(found) - len(pairs)
        n_missed += len(true) - len(pairs)
        n_right += len(found) == len(true)
        shifts += [abs(found[one] - true[other, 0]) for one, other in pairs]
    error = np.asarray(exponent) - simulation.exponent
    n_spectra = len(simulation.peaks)
    return {
        "count_right": n_right / n_spectra,
        "false_peaks": n_false / n_spectra,
        "missed_peaks": n_missed / n_spectra,
        "exponent_error": float(np.nanmedian(np.abs(error))),
        "exponent_bias": float(np.nanmedian(error)),
        "exponent_mean_error": float(np.nanmean(np.abs(error))),
        "frequency_error": float(np.median(shifts)) if shifts else np.nan,
        "failed": float(np.isnan(error).mean()),
    }


def settings_of(simulation, selection=None):
    """Return the arguments of ``fit_spectra`` for FOOOF's rule (None) or a selection."""
    if selection is None:
        return {}
    return {
        "selection": selection,
        "dof": simulation.dof,
        "correlated_bins": simulation.correlated_bins,
    }


SITUATIONS = {
    "5 windows": {"n_windows": 5},
    "20 windows": {"n_windows": 20},
    "60 windows": {"n_windows": 60},
    "200 windows": {"n_windows": 200},
    "additive peaks, 60 windows": {"shape": "additive", "n_windows": 60},
    "Lorentzian peaks, 60 windows": {"shape": "lorentzian", "n_windows": 60},
    "skewed peaks, 200 windows": {"shape": "skewed", "n_windows": 200},
    "no peaks, 5 windows": {"n_windows": 5, "n_peaks": (0, 0)},
    "no peaks, 200 windows": {"n_windows": 200, "n_peaks": (0, 0)},
    "one window of 1 s": {"window": 1.0, "n_windows": 1},
    "30 windows of 1 s": {"window": 1.0, "n_windows": 30},
    "30 windows of 4 s": {"window": 4.0, "n_windows": 30},
    "7 tapers": {"method": "multitaper", "n_windows": 10},
}


def compare(n_spectra, situations=SITUATIONS, modes=("fixed", "knee")):
    """Return scores of FOOOF's rule, BIC and AICc in every situation.

    Returns
    -------
    rows : list of dict
        ``situation``, ``background`` (truth), ``method``, and what `score` returns. With
        ``method="bic, auto"`` also ``bent``, the share of backgrounds that are found to bend.
    """
    rows = []
    for name, options in situations.items():
        for mode in modes:
            simulation = simulate_spectra(n_spectra, knee=mode == "knee", **options)
            freqs, power = simulation.freqs, simulation.power
            for method, selection, fitted in (
                ("rule", None, mode),
                ("bic", "bic", mode),
                ("aicc", "aicc", mode),
                ("bic, auto", "bic", "auto"),
            ):
                settings = settings_of(simulation, selection)
                fit = fit_spectra(freqs, power, aperiodic_mode=fitted, **settings)
                row = {"situation": name, "background": mode, "method": method}
                row |= score(simulation, fit.exponent, fit.gaussians)
                rows.append(row | {"bent": float((fit.knee > 0).mean())})
    return rows


def main(n_spectra):
    """Print the table."""
    columns = "count_right", "false_peaks", "missed_peaks", "exponent_error", "bent"
    print(f"{'situation':32s}{'background':12s}{'method':12s}", *(f"{c:>14s}" for c in columns))
    for name, options in SITUATIONS.items():
        for row in compare(n_spectra, {name: options}):
            values = [f"{row[column]:14.3f}" for column in columns]
            label = f"{row['situation']:32s}{row['background']:12s}{row['method']:12s}"
            print(label, *values, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=300, help="spectra per situation")
    main(parser.parse_args().spectra)
