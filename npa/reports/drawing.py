"""Drawings of what the estimators found; each returns its figure."""

import textwrap

import matplotlib.pyplot as plt
import mne
import numpy as np
from matplotlib.ticker import LogLocator

_FEWEST_PLACES = 4  # electrodes that a map needs
_MOST_BARS = 16
_MOST_LINES = 8  # spectra in one axes; more cannot be told apart


def draw_slopes(report, ax=None):
    """Draw mean power spectra and the lines fitted to them.

    Parameters
    ----------
    report : npa.reports.SlopeReport
        The lines.
    ax : matplotlib.axes.Axes | None
        Where to draw; None for a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure; every spectrum is a thin line with its fit dashed in the same colour.

    Examples
    --------
    >>> from npa.estimators.exponent import PSDExponent
    >>> noise = np.random.default_rng(0).normal(size=(3, 2, 1000))
    >>> figure = draw_slopes(PSDExponent(sfreq=100.0).fit(noise).slopes_)
    >>> figure.axes[0].get_xscale()
    'log'
    """
    ax = _axes(ax)
    fitted = np.flatnonzero(np.isfinite(report.power).all(axis=-1))
    for column in fitted[:_MOST_LINES]:
        slope, intercept = (
            np.nanmean(values[:, column]) for values in (report.slope, report.intercept)
        )
        label = f"{report.names[column]}: $\\beta$ = {slope:.2f}"
        (spectrum,) = ax.loglog(report.freqs, report.power[column], lw=0.8, alpha=0.7)
        line = 10**intercept * report.freqs**slope
        ax.loglog(report.freqs, line, "--", lw=2, color=spectrum.get_color(), label=label)
    ax.set(xlabel="Frequency (Hz)", ylabel="Power (V²/Hz)")
    _label_hertz(ax)
    shown = min(len(fitted), _MOST_LINES)
    ax.set_title(f"Slopes of power, {shown} of {len(report.names)} (mean of {len(report.slope)})")
    if shown:
        ax.legend(frameon=False, fontsize="small")
    return ax.figure


def draw_blinks(report):
    """Draw the topography of blinks, and the median blink before and after.

    Parameters
    ----------
    report : npa.reports.BlinkReport
        The blinks.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure; it states the reason where no blinks were found.

    Examples
    --------
    >>> from npa.estimators.blinks import BlinkICARemover
    >>> from npa.datasets import simulate_recording
    >>> raw, truth = simulate_recording(duration=30.0, random_state=0)
    >>> figure = draw_blinks(BlinkICARemover().fit(raw).blinks_)
    >>> figure.axes[1].get_xlabel()
    'Time from the blink (s)'
    """
    if not report.found:
        ax = _axes(None)
        ax.axis("off")
        reason = textwrap.fill(f"No blinks removed: {report.reason}.", 60)
        ax.text(0.5, 0.5, reason, ha="center", va="center", transform=ax.transAxes)
        return ax.figure
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    draw_map(1e6 * report.topography, report.info, "Potential (µV)", ax=left, diverging=True)
    name = textwrap.shorten(report.channel, 40, placeholder=" ...")
    left.set_title(f"Component {report.component}, found by {name}", fontsize="medium")
    right.axhline(0, color="0.8", lw=0.8)
    for values, label, colour in ((report.before, "before", "C3"), (report.after, "after", "C0")):
        right.plot(report.lags, 1e6 * values, color=colour, label=label)
    right.set(xlabel="Time from the blink (s)", ylabel="Potential (µV)")
    title = f"Median of {len(report.blink_times)} blinks at {report.shown}"
    right.set_title(title, fontsize="medium")
    right.legend(frameon=False)
    return figure


def draw_map(values, info, label, ax=None, diverging=False):
    """Draw one value a channel over the scalp, or as bars where positions are missing.

    Parameters
    ----------
    values : array, shape (n_channels,)
        The values; NaN is left out.
    info : mne.Info
        Measurement info of these channels.
    label : str
        What the values are, with their unit.
    ax : matplotlib.axes.Axes | None
        Where to draw; None for a new figure.
    diverging : bool
        Whether colours are symmetric around 0.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> info = mne.create_info(["Fp1", "Oz"], 100.0, "eeg")
    >>> figure = draw_map(np.array([100.0, 10.0]), info, "Potential (µV)")
    >>> figure.axes[0].get_xlabel()
    'Potential (µV)'
    """
    ax = _axes(ax)
    values = np.asarray(values, dtype=float)
    placed = _placed(values, info)
    if len(placed) >= _FEWEST_PLACES:
        top = np.abs(values[placed]).max()
        limits = (-top, top) if diverging else (values[placed].min(), values[placed].max())
        image, _ = mne.viz.plot_topomap(
            values[placed],
            mne.pick_info(info, placed),
            axes=ax,
            vlim=limits,
            cmap="RdBu_r" if diverging else "viridis",
            show=False,
        )
        ax.figure.colorbar(image, ax=ax, shrink=0.7, label=label)
        return ax.figure
    strongest = [i for i in np.argsort(-np.abs(values)) if np.isfinite(values[i])]
    strongest = strongest[:_MOST_BARS][::-1]
    ax.barh([info["ch_names"][i] for i in strongest], values[strongest], color="C3")
    ax.set_xlabel(label)
    return ax.figure


def draw_maps(values, info):
    """Draw several maps side by side.

    Parameters
    ----------
    values : dict
        Label to values (n_channels,); NaN is left out.
    info : mne.Info
        Measurement info of these channels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, one map a label.

    Examples
    --------
    >>> info = mne.create_info(["Fp1", "Oz"], 100.0, "eeg")
    >>> len(draw_maps({"Exponent": [1.0, 1.5], "Alpha": [0.1, 0.9]}, info).axes)
    2
    """
    figure, axes = plt.subplots(
        1, len(values), figsize=(4.5 * len(values), 3.8), layout="constrained", squeeze=False
    )
    for ax, (label, each) in zip(axes[0], values.items(), strict=True):
        draw_map(each, info, label, ax=ax)
    return figure


def draw_spectrum(report, ax=None):
    """Draw a power spectrum, its background and its peaks.

    Parameters
    ----------
    report : npa.reports.SpectrumReport
        The fit.
    ax : matplotlib.axes.Axes | None
        Where to draw; None for a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure; it states the reason where the fit failed.

    Examples
    --------
    >>> from npa.estimators.parameterize import FOOOFFitter
    >>> noise = np.random.default_rng(0).normal(size=(1, 5000))
    >>> figure = draw_spectrum(FOOOFFitter(sfreq=100.0).fit(noise).spectrum_)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['power', 'model', 'background']
    """
    ax = _axes(ax)
    if report.reason:
        ax.set_title(f"Not fitted: {report.reason}", fontsize="medium")
    if not (report.power > 0).any():
        return ax.figure
    ax.loglog(report.freqs, report.power, color="0.6", lw=2, label="power")
    ax.set(xlabel="Frequency (Hz)", ylabel="Power (V²/Hz)")
    if not report.reason:
        ax.loglog(report.freqs, 10**report.model, color="C3", label="model")
        ax.loglog(report.freqs, 10**report.aperiodic, "--", color="C0", label="background")
        knee = f", k = {report.knee:.3g}" if report.aperiodic_mode == "knee" else ""
        chi = f"$\\chi$ = {report.exponent:.2f}{knee}, $r^2$ = {report.r_squared:.3f}"
        centres = [f"{cf:.1f}" for cf in report.peaks[:, 0]]
        peaks = f"peaks at {', '.join(centres)} Hz" if centres else "no peaks"
        ax.set_title(f"{chi}\n{peaks}", fontsize="medium")
        ax.legend(frameon=False)
    _label_hertz(ax)
    return ax.figure


def draw_filter(report):
    """Draw the ideal and the realised gain: for the background, for the peaks, and for both.

    Parameters
    ----------
    report : npa.reports.FilterReport
        The filter.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, of three axes.

    Examples
    --------
    >>> from npa.estimators.amplifier import NeuralPowerAmplifier
    >>> noise = np.random.default_rng(0).normal(size=(1, 20_000)).cumsum(axis=-1)
    >>> amplifier = NeuralPowerAmplifier(response="whitening", sfreq=128.0).fit(noise)
    >>> len(draw_filter(amplifier.filters_).axes)
    3
    """
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    model = report.filter
    panels = (
        (f"{model.response} response", report.ideal_background, report.realised_background),
        (
            f"response of {len(model.peaks)} peak(s)",
            report.ideal - report.ideal_background,
            report.realised - report.realised_background,
        ),
        (f"both: $r^2$ = {report.r_squared:.4f}", report.ideal, report.realised),
    )
    for ax, (title, ideal, realised) in zip(axes, panels, strict=True):
        ax.plot(report.freqs, realised, color="C0", lw=2.5, alpha=0.6, label="realised")
        ax.plot(report.freqs, ideal, "--", color="k", lw=1, label="ideal")
        ax.set(xlabel="Frequency (Hz)", xlim=(0, report.freqs[-1]))
        ax.set_title(title[0].upper() + title[1:], fontsize="medium")
    axes[1].set_xlim(0, min(1.5 * report.band[1], report.freqs[-1]))
    axes[0].set_ylabel("Gain")
    axes[0].legend(frameon=False)
    return figure


def draw_power(freqs, power, ax=None):
    """Draw power spectra over each other.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz; 0 is left out.
    power : dict
        Label to power (n_freqs,) in V^2/Hz.
    ax : matplotlib.axes.Axes | None
        Where to draw; None for a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, in double-logarithmic axes.

    Examples
    --------
    >>> figure = draw_power(np.arange(1.0, 4.0), {"before": np.ones(3), "after": np.full(3, 0.1)})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['before', 'after']
    """
    ax = _axes(ax)
    shown = freqs > 0
    for (label, values), colour in zip(power.items(), ("0.6", "C0", "C3"), strict=False):
        ax.loglog(freqs[shown], values[shown], color=colour, lw=1.8, label=label)
    ax.set(xlabel="Frequency (Hz)", ylabel="Power (V²/Hz)", xlim=(freqs[shown][0], freqs[-1]))
    _label_hertz(ax)
    ax.legend(frameon=False)
    return ax.figure


def draw_tags(report, channel=None):
    """Draw the amplitude spectrum of a channel with the terms of its tags, and a map of scores.

    Parameters
    ----------
    report : npa.reports.TagReport
        The responses.
    channel : str | None
        Which channel; None for the one with the highest score.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The spectrum, every term a named point, red where the response is significant; beside it
        the scores over the scalp, where electrode positions are known.

    Raises
    ------
    ValueError
        If there is no such channel.

    Examples
    --------
    >>> from npa.estimators.tagging import FrequencyTagger
    >>> x = np.sin(np.arange(1000) / 100 * 2 * np.pi * 6)
    >>> x = x + np.random.default_rng(0).normal(size=(1, 1, 1000))
    >>> figure = draw_tags(FrequencyTagger(6, sfreq=100.0).fit(x).tags_)
    >>> [label.get_text() for label in figure.axes[0].texts]
    ['f1', '2f1', '3f1', '4f1']
    """
    best = int(np.argmax(np.nan_to_num(report.scores, nan=-np.inf)))
    row = best if channel is None else _row(channel, report.ch_names)
    placed = [] if report.info is None else _placed(report.scores, report.info)
    with_map = len(placed) >= _FEWEST_PLACES
    figure, axes = plt.subplots(
        1,
        1 + with_map,
        figsize=(12 if with_map else 9, 4.2),
        width_ratios=(2.4, 1)[: 1 + with_map],
        layout="constrained",
        squeeze=False,
    )
    _draw_terms(report, row, axes[0, 0])
    if with_map:
        label = f"Mean {report.measure} of terms" + (" (power)" if report.power else "")
        draw_map(report.scores, report.info, label, ax=axes[0, 1])
    return figure


def _draw_terms(report, row, ax):
    """Draw one channel's spectrum, and a named point for every bin that holds a term."""
    amplitude = report.amplitude[row]
    ax.semilogy(report.freqs[1:], amplitude[1:], color="0.6", lw=0.8)
    names, found = {}, {}
    for term, significant in zip(report.terms, report.significant[row], strict=True):
        place = int(np.abs(report.freqs - term.frequency).argmin())
        names.setdefault(place, []).append(term.name)
        found[place] = significant
    for place, terms in names.items():
        point = report.freqs[place], amplitude[place]
        colour = "C3" if found[place] else "0.35"
        ax.semilogy(*point, "o", ms=4, color=colour)
        ax.annotate(
            " = ".join(terms),
            point,
            xytext=(0, 6),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize="x-small",
            color=colour,
        )
    ax.set(xlabel="Frequency (Hz)", ylabel="Amplitude (V)")
    ax.set_xlim(0, 1.05 * report.freqs[max(names)])
    shown = amplitude[1 : max(names) + 1]
    if (shown > 0).any():
        low, high = shown[shown > 0].min(), shown[shown > 0].max()
        ax.set_ylim(low / 1.5, high * 1.5 * (high / low) ** 0.3)  # room for the names
    ax.set_title(f"{report.ch_names[row]}: responses to tags (red: FDR 5 %)", fontsize="medium")


def _row(channel, ch_names):
    """Return where a channel stands."""
    if channel in ch_names:
        return ch_names.index(channel)
    have = ", ".join(ch_names[:8]) + (", ..." if len(ch_names) > 8 else "")
    raise ValueError(f"channel must be None or one of {have}, got {channel!r}.")


def _placed(values, info):
    """Return the indices of channels with a value and an electrode position."""
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    placed = np.isfinite(places).all(axis=1) & places.any(axis=1)
    return np.flatnonzero(np.isfinite(values) & placed)


def _label_hertz(ax):
    """Write a logarithmic frequency axis in plain numbers."""
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")


def _axes(ax):
    """Return the axes given, or those of a new figure."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax
