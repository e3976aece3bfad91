"""Noise of the spectra that estimators measure, for standard errors and intervals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from npa.checks import check_number, check_option, check_seed
from npa.estimators.windows import WindowedTransformer
from npa.recordings.signals import Signals
from npa.spectral.averages import mean_of_known
from npa.spectral.density import plan_spans
from npa.spectral.fitting.bootstrap import MIN_BOOT, NoiseOfSpectra
from npa.spectral.leakage import SpectralWindow, spectral_window
from npa.spectral.resampling import (
    MIN_UNITS,
    Noise,
    SpectrumUnits,
    resampled_noise,
    simulated_noise,
    spectrum_units,
)
from npa.typing import FloatArray, IntArray

Combine = Callable[[FloatArray], FloatArray]

INTERVAL_VALUES = ("se", "low", "high")


class ResampledTransformer(WindowedTransformer):
    """Base of the estimators that give standard errors and intervals of what they measure.

    A subclass has the parameters ``uncertainty, n_boot, random_state`` as well. ``_row_noise`` is
    the noise of the rows that it measures.
    """

    def _check_spectra(self, sfreq: float) -> None:
        """Check the parameters of the spectra."""
        super()._check_spectra(sfreq)
        check_option("uncertainty", self.uncertainty, (None, "bootstrap"))
        check_number("n_boot", self.n_boot, low=MIN_BOOT, integer=True)
        check_seed("random_state", self.random_state)

    def _row_noise(
        self,
        signals: Signals,
        freqs: FloatArray,
        power: FloatArray,
        combine: Combine,
        *,
        average: bool = False,
    ) -> list[Noise]:
        """Return the noise of every row of the table, or that of the average of all.

        Noise is resampled from the epochs that a row averages; if these are few, from the windows
        of the recording; if these are few, too, it is simulated.

        Parameters
        ----------
        signals : Signals
            The recording.
        freqs : array, shape (n_freqs,)
            Frequencies of the fit.
        power : array, shape (n_rows, n_channels, n_freqs)
            Power of every epoch (and window), from ``_spectra``.
        combine : callable
            ``combine(power)``: power (n, n_groups, n_freqs) of groups of channels.
        average : bool
            Whether there is one row, the average of all epochs and windows.

        Returns
        -------
        noise : list of Noise
            Noise of every row; none without ``uncertainty``.
        """
        if self.uncertainty is None or not len(freqs):
            return []
        rng = check_random_state(self.random_state)
        rows, simulated = self._epochs_of_rows(signals, average), {}

        def simulate(n_epochs: int, n_segments: int | None = None) -> Noise:
            key = n_epochs, n_segments
            if key not in simulated:
                simulated[key] = self._simulated_noise(signals, freqs, rng, *key)
            return simulated[key]

        if self.window is not None and not average:
            by_epoch = combine(power).reshape(len(signals.data), -1, *combine(power[:1]).shape[1:])
            n_segments = self._plan(signals).used_segments.sum(axis=1)
            return [
                self._resampled(by_epoch[members, window], rng)
                or simulate(len(members), max(int(n_segments[window]), 1))
                for members in rows
                for window in range(by_epoch.shape[1])
            ]
        units, noise = self._units(signals, freqs), []
        for members in rows:
            one = None
            if self.window is None:
                one = self._resampled(combine(power[members]), rng)
            if one is None and units is not None:
                own = units.power[:, members]
                each = combine(own.reshape(-1, *own.shape[2:]))
                weights = np.repeat(units.weights * (1 / len(members)), len(members))
                covariance = np.kron(units.covariance, np.eye(len(members))).astype(np.float64)
                one = resampled_noise(each, weights, covariance, self.n_boot, rng)
            noise.append(one or simulate(len(members)))
        return noise

    def _epochs_of_rows(self, signals: Signals, average: bool) -> list[IntArray]:
        """Return the indices of the epochs that each row averages, windows apart."""
        index = np.arange(len(signals.data))
        if average:
            return [index]
        if self.pool is None or signals.conditions is None:
            return list(index[:, np.newaxis])
        names = np.array(signals.conditions, object)
        return [np.flatnonzero(names == name) for name in sorted(set(signals.conditions))]

    def _resampled(self, power: FloatArray, rng: np.random.RandomState) -> Noise | None:
        """Return noise from power of epochs (n_epochs, n_groups, n_freqs), if these are enough."""
        n_epochs = len(power)
        if n_epochs < MIN_UNITS:
            return None
        weights: FloatArray = np.full(n_epochs, 1.0 / n_epochs)
        return resampled_noise(power, weights, np.eye(n_epochs), self.n_boot, rng)

    def _units(self, signals: Signals, freqs: FloatArray) -> SpectrumUnits | None:
        """Return power of the windows of a recording; None if noise is to be simulated."""
        options = self._segment_options(signals)
        if options.get("average") == "median" or options.get("adaptive"):
            return None
        plan = plan_spans(signals.clean_spans, signals.data.shape[-1], signals.sfreq, **options)
        n_windows = sum(block.n_windows for block in plan.blocks)
        if n_windows * len(signals.data) < MIN_UNITS:
            return None
        units = spectrum_units(
            signals.data,
            signals.clean_spans,
            signals.sfreq,
            freq_range=(freqs[0], freqs[-1]),
            **options,
        )
        if len(units.freqs) != len(freqs) or not np.allclose(units.freqs, freqs):
            return None  # periodograms of windows have frequencies of their own
        units.power[:, signals.bad | signals.flat] = np.nan
        return units

    def _simulated_noise(
        self,
        signals: Signals,
        freqs: FloatArray,
        rng: np.random.RandomState,
        n_epochs: int,
        n_segments: int | None,
    ) -> Noise:
        """Simulate the noise of epochs, or of windows with so many segments."""
        spans = signals.clean_spans
        options = self._segment_options(signals)
        if self.window is not None:
            plan = self._plan(signals)
            if n_segments is None:  # the average of all windows
                n_segments = len(plan.offsets)
                n_epochs *= max(plan.n_used // plan.length, 1)
            spans = ((0, int(plan.offsets[n_segments - 1]) + plan.segment),)
        return simulated_noise(
            spans,
            signals.sfreq,
            self.n_boot,
            rng,
            n_epochs=n_epochs,
            freq_range=(freqs[0], freqs[-1]),
            **options,
        )

    def _spectral_window(
        self, signals: Signals, freqs: FloatArray, combine: Combine, *, average: bool = False
    ) -> SpectralWindow | None:
        """Return the response of the estimator of the rows' power, for intervals; None without."""
        if self.uncertainty is None or len(freqs) < 2:
            return None
        _, low = self._power_within(signals, (0.0, float(freqs[0])))
        low = combine(low)
        low = mean_of_known(low, axis=0)[np.newaxis] if average else self._pool(signals, low)
        options = self._segment_options(signals)
        if self.window is not None:
            length = self._plan(signals).segment
        else:
            n_times = signals.data.shape[-1]
            length = plan_spans(signals.clean_spans, n_times, signals.sfreq, **options).length
        window = spectral_window(freqs, length, signals.sfreq, **options)
        return replace(window, low_power=low.reshape(-1, low.shape[-1]))

    def _segment_options(self, signals: Signals) -> dict[str, Any]:
        """Return the options of spectra; of windows those of their segments."""
        options = {"method": self.psd, **(self.psd_kwargs or {})}
        if self.window is not None:
            plan = self._plan(signals)
            if self.psd != "periodogram":
                options.setdefault("n_per_seg", plan.segment)
        return options


def noise_of_spectra(noise: list[Noise], n_groups: int) -> list[NoiseOfSpectra]:
    """Return which spectra have which noise, if spectra are those of rows, group by group.

    Parameters
    ----------
    noise : list of Noise
        Noise of every row.
    n_groups : int
        Number of spectra of a row.

    Returns
    -------
    noises : list of NoiseOfSpectra
        Rows that share noise are joined.

    Examples
    --------
    >>> noise = Noise(np.ones((20, 5)))
    >>> noise_of_spectra([noise, noise], 2)[0].spectra
    array([0, 1, 2, 3])
    """
    rows: dict[int, list[int]] = {}
    for row, one in enumerate(noise):
        rows.setdefault(id(one), []).append(row)
    groups = np.arange(n_groups)
    return [
        NoiseOfSpectra(
            noise[members[0]],
            np.concatenate([row * n_groups + groups for row in members]),
        )
        for members in rows.values()
    ]
