"""Analysis of one recording: remove blinks and the 1/f background, and measure the spectrum."""

from dataclasses import dataclass
from functools import cached_property

import mne
import numpy as np

from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.blinks import BlinkICARemover
from npa.estimators.line_noise import LineNoiseRemover
from npa.estimators.parameterize import FOOOFFitter
from npa.recordings.containers import read_signals
from npa.spectral import psd_of_spans


@dataclass(frozen=True)
class RecordingReport:
    """A recording after each step of the analysis, with what each step decided.

    Parameters
    ----------
    raw, clean, amplified : mne.io.Raw
        The recording as it came, without blinks (and line noise), and amplified.
    steps : dict
        The fitted estimators, in order: ``"line"`` (only where asked for), ``"blinks"``,
        ``"amplify"`` and ``"measure"``. The last is fitted to ``clean``, for the table is of the
        brain, not of the filter.
    table : pandas.DataFrame
        Background and peaks of ``clean``, a row a channel.
    """

    raw: mne.io.BaseRaw
    clean: mne.io.BaseRaw
    amplified: mne.io.BaseRaw
    steps: dict
    table: object

    @property
    def blinks(self):
        """What was decided about blinks, an `npa.reports.BlinkReport`."""
        return self.steps["blinks"].blinks_

    @property
    def filters(self):
        """The amplifier's filter, an `npa.reports.FilterReport`."""
        return self.steps["amplify"].filters_

    @property
    def spectrum(self):
        """The mean spectrum and its model, an `npa.reports.SpectrumReport`."""
        return self.steps["measure"].spectrum_

    @cached_property
    def figures(self):
        """Figures of ``"blinks"``, ``"spectrum"`` and ``"filters"``, and of power, ``"psd"``."""
        import matplotlib.pyplot as plt

        from npa.reports.drawing import draw_power

        figures = {
            "blinks": self.blinks.plot(),
            "spectrum": self.spectrum.plot(),
            "filters": self.filters.plot(),
            "psd": draw_power(*spectra_by_step(self)),
        }
        for figure in figures.values():
            plt.close(figure)  # kept by the report; pyplot's own reference would leak
        return figures


def analyze_recording(raw, *, eog=None, line=None, progress=iter):
    """Remove blinks and the 1/f background of a recording, and measure its spectrum.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording; it is not changed.
    eog : str | list of str | None
        EOG channels, of whatever type in the recording; None for those typed EOG, or a virtual
        one where there are none.
    line : float | None
        Frequency of the line noise to remove first, in Hz; None for leaving it in.
    progress : callable
        Wraps the list of steps while they run, for example ``tqdm``.

    Returns
    -------
    report : RecordingReport
        The recording after each step, and the fitted steps.

    Raises
    ------
    ValueError
        If an EOG channel is not there or bad, the recording is too short or has too few channels,
        or its mean spectrum has no 1/f background.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, truth = simulate_recording(duration=30.0, random_state=0)
    >>> analyze_recording(raw).blinks.found
    True
    """
    names = [eog] if isinstance(eog, str) else list(eog or [])
    missing = [name for name in names if name not in raw.ch_names]
    if missing:
        raise ValueError(f"eog must name channels of the recording, got {', '.join(missing)}.")
    raw = raw.copy().set_channel_types(dict.fromkeys(names, "eog"), verbose=False)
    steps = {} if line is None else {"line": LineNoiseRemover(line)}
    steps |= {
        "blinks": BlinkICARemover(eog=names or None),
        "amplify": NeuralPowerAmplifier(),
        "measure": FOOOFFitter(),
    }
    clean, amplified = raw, None
    for name in progress(list(steps)):
        if name == "amplify":
            amplified = steps[name].fit_transform(clean)
            if steps[name].filters_ is None:
                raise ValueError(_no_background(steps[name].spectrum_))
        elif name == "measure":
            values = steps[name].fit_transform(clean)
        else:
            clean = steps[name].fit_transform(clean)
    return RecordingReport(raw, clean, amplified, steps, _by_channel(steps["measure"], values[0]))


def save_recording_report(report, folder):
    """Write the amplified recording, the table and the figures.

    Parameters
    ----------
    report : RecordingReport
        What `analyze_recording` returned.
    folder : pathlib.Path
        An existing folder: gets ``clean_raw.fif``, ``spectrum.csv``, ``blinks.png``,
        ``spectrum.png``, ``filters.png`` and ``psd.png``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, random_state=0)
    >>> save_recording_report(analyze_recording(raw), Path())
    >>> sorted(path.name for path in Path().glob("*.csv"))
    ['spectrum.csv']
    """
    report.amplified.save(folder / "clean_raw.fif", verbose=False)
    report.table.to_csv(folder / "spectrum.csv", float_format="%.6g")
    for name, figure in report.figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)


def spectra_by_step(report, fmax=70.0):
    """Return the mean power spectrum of the usable channels, before and after the steps.

    Parameters
    ----------
    report : RecordingReport
        What `analyze_recording` returned.
    fmax : float
        Highest frequency in Hz.

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : dict
        Label to power (n_freqs,) in V^2/Hz. The label between ``"as recorded"`` and
        ``"amplified"`` names what was removed, and is missing where nothing was.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, random_state=0)
    >>> freqs, power = spectra_by_step(analyze_recording(raw))
    >>> list(power)
    ['as recorded', 'without blinks', 'amplified']
    """
    removed = ["line noise"] * ("line" in report.steps) + ["blinks"] * report.blinks.found
    recordings = {"as recorded": report.raw}
    if removed:
        recordings[f"without {' and '.join(removed)}"] = report.clean
    return mean_spectra({**recordings, "amplified": report.amplified}, fmax)


def mean_spectra(recordings, fmax=70.0):
    """Return the mean power spectrum of the usable channels of each recording.

    Parameters
    ----------
    recordings : dict
        Label to `mne.io.Raw`; all have the same sampling rate.
    fmax : float
        Highest frequency in Hz.

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : dict
        Label to power (n_freqs,) in V^2/Hz.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, truth = simulate_recording(duration=10.0, random_state=0)
    >>> freqs, power = mean_spectra({"with blinks": raw, "without": truth.clean}, fmax=10.0)
    >>> bool(power["with blinks"].sum() > power["without"].sum())
    True
    """
    power = {}
    for label, raw in recordings.items():
        signals = read_signals(raw, lazy=True)
        freqs, each = psd_of_spans(
            signals.data, signals.clean_spans, signals.sfreq, freq_range=(0, fmax)
        )
        power[label] = each[:, signals.usable].mean(axis=(0, 1))
    return freqs, power


def _no_background(spectrum):
    """Say why there is nothing to amplify."""
    why = spectrum.reason or f"the exponent is {spectrum.exponent:.2g}, not above 0"
    return f"the mean spectrum of the recording has no 1/f background to take out: {why}."


def _by_channel(fitter, values):
    """Fold one row of ``Oz_exponent, ...`` into a row a channel."""
    import pandas as pd

    channels = fitter.ch_names_
    names = fitter.get_feature_names_out()[: len(values) // len(channels)]
    columns = [name.removeprefix(f"{channels[0]}_") for name in names]
    rows = np.reshape(values, (len(channels), -1))
    return pd.DataFrame(rows, index=pd.Index(channels, name="channel"), columns=columns)
