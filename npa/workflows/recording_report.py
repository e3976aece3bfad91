"""Analysis of one recording: remove blinks and the 1/f background, and measure the spectrum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mne
import numpy as np

from npa.checks import check_array_like, check_names, check_number, check_range
from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.blinks import BlinkICARemover
from npa.estimators.line_noise import LineNoiseRemover
from npa.estimators.parameterize import FOOOFFitter
from npa.recordings.channels import is_electrode
from npa.recordings.containers import read_signals
from npa.recordings.signals import Signals
from npa.reports import BlinkReport, FilterReport, HumReport, SpectrumReport
from npa.reports.tables import by_channel
from npa.spectral import psd_of_spans
from npa.spectral.averages import excessive_channels, mean_of_known
from npa.spectral.line_noise import MAINS, Line
from npa.spectral.line_search import find_mains, line_spectra
from npa.typing import BoolArray, FloatArray, PathLike
from npa.workflows.pass_band import within_pass_band

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RecordingReport:
    """A recording after each step of the analysis, with what each step decided.

    Parameters
    ----------
    raw, clean, amplified : mne.io.Raw
        The recording as read, without blinks (and line noise), and amplified.
    steps : dict
        The fitted estimators, in order: ``"line"`` (only if requested), ``"blinks"``,
        ``"amplify"`` and ``"measure"``. The last is fitted to ``clean``, so that the table
        describes the brain, not the filter.
    table : pandas.DataFrame
        Background and peaks of ``clean``, one row per channel.
    """

    raw: mne.io.BaseRaw
    clean: mne.io.BaseRaw
    amplified: mne.io.BaseRaw
    steps: dict[str, Any]
    table: pd.DataFrame

    @property
    def blinks(self) -> BlinkReport:
        """Report of the blinks."""
        blinks: BlinkReport = self.steps["blinks"].blinks_
        return blinks

    @property
    def saccades(self) -> BlinkReport:
        """Report of the horizontal saccades."""
        saccades: BlinkReport = self.steps["blinks"].saccades_
        return saccades

    @property
    def filters(self) -> FilterReport:
        """Report of the amplifier's filter."""
        filters: FilterReport = self.steps["amplify"].filters_
        return filters

    @property
    def spectrum(self) -> SpectrumReport:
        """Report of the mean spectrum of ``clean``."""
        spectrum: SpectrumReport = self.steps["measure"].spectrum_
        return spectrum

    @property
    def hum(self) -> HumReport | None:
        """Report of the line noise; None if its removal was not requested."""
        return self.steps["line"].hum_ if "line" in self.steps else None

    @cached_property
    def line_left(self) -> Line | None:
        """Line at 50 or 60 Hz of a recording from which no line noise was removed."""
        if "line" in self.steps:
            return None
        signals = read_signals(self.raw, lazy=True)
        usable = np.flatnonzero(signals.usable)
        spectra = line_spectra(
            signals.data, signals.clean_spans, signals.sfreq, usable, lowest=min(MAINS)
        )
        return find_mains(spectra)

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Figures of ``"blinks"``, ``"spectrum"``, ``"filters"`` and the power, ``"psd"``.

        And of ``"line"``, if line noise was removed, and ``"saccades"``, if they were sought.
        """
        import matplotlib.pyplot as plt

        from npa.reports.drawing import draw_power

        figures = {
            **{
                f"{report.artifact}s": report.plot()
                for report in (self.blinks, self.saccades)
                if report.sought
            },
            "spectrum": self.spectrum.plot(),
            "filters": self.filters.plot(),
            "psd": draw_power(*spectra_by_step(self)),
        }
        if self.hum is not None and self.hum.found:
            figures["line"] = self.hum.plot()
        for figure in figures.values():
            plt.close(figure)  # kept by the report; pyplot's own reference would leak
        return figures


def analyze_recording(
    raw: mne.io.BaseRaw,
    *,
    eog: str | Iterable[str] | None = None,
    line: float | Literal["auto"] | None = None,
    freq_range: tuple[float, float] | None = None,
    artifacts: Sequence[str] = ("blink",),
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> RecordingReport:
    """Remove blinks and the 1/f background of a recording, and measure its spectrum.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording; it is not changed.
    eog : str | list of str | None
        EOG channels, whatever their type in the recording; None for those of type EOG. If these
        show no blinks, a virtual one is used. Scalp electrodes among them are cleaned too.
    line : float | "auto" | None
        Frequency in Hz of the line noise to remove first, ``"auto"`` for 50 or 60 Hz; None to keep
        it (``report.line_left`` tells whether there is any).
    freq_range : tuple of float | None
        Lowest and highest frequency in Hz of both fits; None for 1-45 Hz, and 0.5-45 Hz of the
        amplifier, or what of it lies within the pass band of the recording.
    artifacts : sequence of {"blink", "saccade"}, default ("blink",)
        Eye movements to remove.
    progress : callable
        Wraps the list of step names, for example ``tqdm``.

    Returns
    -------
    report : RecordingReport
        The recording after each step, and the fitted steps.

    Raises
    ------
    ValueError
        If an EOG channel does not exist or is bad, the recording is too short or has too few
        channels, or its mean spectrum has no 1/f background.

    Notes
    -----
    Spectra are fitted within 1-45 Hz, or what of it lies within the pass band of the recording;
    ``report.steps["measure"].freq_range`` says which, and a warning that it was limited.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, truth = simulate_recording(duration=30.0, random_state=0)
    >>> analyze_recording(raw).blinks.found
    True
    """
    import pandas as pd

    if not isinstance(raw, mne.io.BaseRaw):
        check_array_like("raw", raw)
        raise TypeError(f"raw must be an mne.io.BaseRaw, got {type(raw).__name__}.")
    names = [] if eog is None else check_names("eog", eog)
    if line is not None and line != "auto":
        check_number("line", line, above=0, below=raw.info["sfreq"] / 2)
    missing = [name for name in names if name not in raw.ch_names]
    if missing:
        raise ValueError(f"eog must name channels of the recording, got {', '.join(missing)}.")
    # A scalp electrode that serves as an EOG stays EEG, and is cleaned.
    ocular = [name for name in names if not is_electrode(raw.info, name)]
    raw = raw.copy().set_channel_types(dict.fromkeys(ocular, "eog"), verbose=False)
    steps: dict[str, Any] = {} if line is None else {"line": LineNoiseRemover(line)}
    steps |= {
        "blinks": BlinkICARemover(eog=names or None, artifacts=tuple(artifacts)),
        "amplify": NeuralPowerAmplifier(),
        "measure": FOOOFFitter(),
    }
    if freq_range is not None:
        freq_range = check_range("freq_range", freq_range, high=raw.info["sfreq"] / 2)
        steps["amplify"].set_params(fooof__freq_range=freq_range)
        steps["measure"].set_params(freq_range=freq_range)
    clean = amplified = raw
    for name in progress(list(steps)):
        if name == "amplify":
            amplified = steps[name].fit_transform(clean)
            if steps[name].filters_ is None:
                raise ValueError(_no_background(steps[name].spectrum_))
        elif name == "measure":
            steps[name] = within_pass_band(steps[name], clean)
            values = steps[name].fit_transform(clean)
        else:
            clean = steps[name].fit_transform(clean)
    table = pd.DataFrame(values, columns=steps["measure"].get_feature_names_out())
    table = by_channel(table, steps["measure"].ch_names_)
    return RecordingReport(raw, clean, amplified, steps, table)


def save_recording_report(report: RecordingReport, folder: PathLike) -> None:
    """Write the amplified recording, the table and the figures of a report.

    Parameters
    ----------
    report : RecordingReport
        The output of `analyze_recording`.
    folder : path-like
        An existing folder, for ``clean_raw.fif``, ``spectrum.csv``, ``blinks.png``,
        ``spectrum.png``, ``filters.png`` and ``psd.png`` (and ``line.png``, if line noise was
        removed).

    Examples
    --------
    >>> from pathlib import Path
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, random_state=0)
    >>> save_recording_report(analyze_recording(raw), ".")
    >>> sorted(path.name for path in Path().glob("*.csv"))
    ['spectrum.csv']
    """
    folder = Path(folder)
    report.amplified.save(folder / "clean_raw.fif", verbose=False)
    report.table.to_csv(folder / "spectrum.csv", float_format="%.6g")
    for name, figure in report.figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)


def spectra_by_step(
    report: RecordingReport, fmax: float = 70.0
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return the mean power spectrum of the usable channels after each step.

    Parameters
    ----------
    report : RecordingReport
        The output of `analyze_recording`.
    fmax : float
        Highest frequency in Hz.

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : dict
        Label to power (n_freqs,) in V^2/Hz. The label between ``"as recorded"`` and
        ``"amplified"`` names what was removed; there is none if nothing was.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, random_state=0)
    >>> freqs, power = spectra_by_step(analyze_recording(raw))
    >>> list(power)
    ['as recorded', 'without blinks', 'amplified']
    """
    removed = ["line noise"] * ("line" in report.steps)
    removed += [f"{each.artifact}s" for each in (report.blinks, report.saccades) if each.found]
    recordings = {"as recorded": report.raw}
    if removed:
        recordings[f"without {' and '.join(removed)}"] = report.clean
    return mean_spectra({**recordings, "amplified": report.amplified}, fmax)


def mean_spectra(
    recordings: Mapping[str, mne.io.BaseRaw], fmax: float = 70.0
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return the mean power spectrum of the usable channels of each recording.

    Channels of one type are averaged, EEG where there is EEG, without those of excessive power
    (`npa.spectral.averages.excessive_channels`) in the first recording.

    Parameters
    ----------
    recordings : dict
        Label to `mne.io.Raw`; all have the same sampling rate and data channels.
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
    power: dict[str, FloatArray] = {}
    averaged: BoolArray | None = None
    for label, raw in recordings.items():
        signals = read_signals(raw, lazy=True)
        freqs, each = psd_of_spans(
            signals.data, signals.clean_spans, signals.sfreq, freq_range=(0, fmax)
        )
        if averaged is None:
            averaged = _averaged(signals, each)
        power[label] = mean_of_known(each[:, averaged & signals.usable], axis=(0, 1))
    return freqs, power


def _averaged(signals: Signals, power: FloatArray) -> BoolArray:
    """Choose the channels whose power is averaged."""
    usable = signals.usable
    counts = Counter(signals.types[usable].tolist())
    main = "eeg" if "eeg" in counts else max(counts, key=lambda kind: counts[kind], default="")
    chosen: BoolArray = usable & (signals.types == main)
    if main == "eeg":
        mean = mean_of_known(power, axis=0)
        chosen &= ~excessive_channels(np.where(chosen[:, np.newaxis], mean, np.nan))
    return chosen


def _no_background(spectrum: SpectrumReport) -> str:
    """Return why there is nothing to amplify."""
    reason = spectrum.reason or f"the exponent is {spectrum.exponent:.2g}, not above 0"
    return f"the mean spectrum of the recording has no 1/f background to remove: {reason}."
