"""Default frequency ranges of estimators, limited to what a recording holds."""

from __future__ import annotations

import inspect
from typing import Any

import mne
from mne.utils import warn
from sklearn.base import clone

from npa.estimators.exponent import PSDExponent
from npa.estimators.parameterize import FOOOFFitter
from npa.recordings.containers import read_signals
from npa.recordings.pass_band import find_pass_band
from npa.typing import Picks


def limit_to_pass_band(
    raw: mne.io.BaseRaw, freq_range: tuple[float, float] | None, picks: Picks = None
) -> tuple[tuple[float, float] | None, str]:
    """Limit a frequency range to the pass band of a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording.
    freq_range : tuple of float | None
        Lowest and highest frequency in Hz; None for all frequencies.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for the good data channels.

    Returns
    -------
    freq_range : tuple of float | None
        The range itself if the pass band holds it, or the part of it inside.
    reason : str
        What was changed, and why; empty if nothing was.

    Raises
    ------
    ValueError
        If no part of the range lies within the pass band.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, ch_names=["Cz"], eog=False, random_state=0)
    >>> limit_to_pass_band(raw, (1, 45))
    ((1, 45), '')
    >>> limit_to_pass_band(raw.filter(None, 40.0, verbose=False), (1, 45))
    ((1, 40.0), '1-40 Hz instead of 1-45 Hz: the pass band is 0-40 Hz (info["lowpass"])')
    """
    band = find_pass_band(read_signals(raw, picks=picks, lazy=True))
    nyquist = raw.info["sfreq"] / 2
    wanted = freq_range or (0.0, nyquist)
    if freq_range is None and band.high >= nyquist and band.low == 0:
        return None, ""
    inside = band.limit(wanted)
    if inside is None:
        raise ValueError(
            f"freq_range, {wanted[0]:g}-{wanted[1]:g} Hz, lies outside the pass band of {band}."
        )
    # The tolerance at the edges of the pass band does not extend beyond Nyquist.
    inside = inside[0], min(inside[1], nyquist)
    if inside == wanted:
        return freq_range, ""
    return inside, (
        f"{inside[0]:.4g}-{inside[1]:.4g} Hz instead of {wanted[0]:g}-{wanted[1]:g} Hz: the pass "
        f"band is {band}"
    )


def within_pass_band(estimator: Any, raw: mne.io.BaseRaw) -> Any:
    """Limit the default frequency range of an estimator to the pass band of a recording.

    Parameters
    ----------
    estimator : estimator
        A `FOOOFFitter` or `PSDExponent` whose ``freq_range`` is the default is limited, with a
        warning; any other estimator, and a range that was chosen, is not changed.
    raw : mne.io.Raw
        The recording.

    Returns
    -------
    estimator : estimator
        The same object, or a clone with the range inside.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, ch_names=["Cz"], eog=False, random_state=0)
    >>> within_pass_band(FOOOFFitter(), raw).freq_range
    (1, 45)
    """
    if not isinstance(estimator, (FOOOFFitter, PSDExponent)):
        return estimator
    default = inspect.signature(type(estimator)).parameters["freq_range"].default
    if estimator.freq_range != default or (default and default[1] > raw.info["sfreq"] / 2):
        return estimator
    freq_range, reason = limit_to_pass_band(raw, default, estimator.picks)
    if not reason:
        return estimator
    warn(f"{type(estimator).__name__} fits {reason}.")
    return clone(estimator).set_params(freq_range=freq_range)
