"""Spectra of windows that move over a recording, and averages over epochs of a condition."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from mne.utils import warn
from sklearn import get_config

from npa.checks import check_option
from npa.estimators.base import MIN_SHARE_READ, SpectrumTransformer
from npa.recordings.signals import Signals
from npa.spectral.averages import mean_of_known
from npa.spectral.density import psd
from npa.spectral.precision import SpectrumPrecision, precision_of_windows
from npa.spectral.windows import WindowPlan, plan_windows, psd_of_windows
from npa.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

Rows: TypeAlias = Mapping[str, AnyArray]  # name of a level to its value in every row


class WindowedTransformer(SpectrumTransformer):
    """Base of the estimators that measure spectra also over time, and of conditions.

    A subclass has the parameters ``window, step, pool`` as well. What its ``_measure`` returns has
    an attribute ``rows``, from ``_rows``. ``_spectra`` has one row per epoch and window, epoch by
    epoch; ``_pool`` averages rows over the epochs of a condition. The table has one row per epoch,
    or with ``window`` per window of every epoch, and with ``pool="condition"`` per condition (and
    window); in a data frame they are indexed by ``epoch`` or ``condition``, and by ``time``, the
    middle of the window in s.
    """

    _min_freqs: ClassVar[int] = 1

    def _labelled(self, measured: Any) -> "FloatArray | pd.DataFrame":
        """Return the table, with an index of its rows if it is to be a data frame."""
        table = self._table(measured)
        config = getattr(self, "_sklearn_output_config", {})
        output = config.get("transform", get_config()["transform_output"])
        if not measured.rows or output != "pandas":
            return table
        import pandas as pd

        index = pd.MultiIndex.from_arrays(list(measured.rows.values()), names=measured.rows)
        return pd.DataFrame(table, index if index.nlevels > 1 else index.get_level_values(0))

    def _check_spectra(self, sfreq: float) -> None:
        """Check the parameters of the spectra."""
        super()._check_spectra(sfreq)
        check_option("pool", self.pool, (None, "condition"))
        if self.step is not None and self.window is None:
            raise ValueError(f"step={self.step!r} moves a window, so window must be given too.")

    def _check_window(self, plan: WindowPlan, sfreq: float) -> None:
        """Raise an error if the spectra of windows have too few frequencies for a fit."""
        low, high = (0.0, sfreq / 2) if self.freq_range is None else self.freq_range
        options = {"method": self.psd, **(self.psd_kwargs or {})}
        if self.psd == "welch":
            options |= {"n_per_seg": plan.segment, "n_overlap": 0}
        freqs, _ = psd(np.zeros(plan.segment), sfreq, **options)
        n_freqs = int(((freqs >= low) & (freqs <= high) & (freqs > 0)).sum())
        if n_freqs < self._min_freqs:
            raise ValueError(
                f"window must be long enough for {self._min_freqs} frequencies between {low:g} and "
                f"{high:g} Hz, got {self.window!r}: its segments of {plan.segment / sfreq:.3g} s "
                f"have {n_freqs}."
            )

    def _plan(self, signals: Signals) -> WindowPlan:
        """Return the windows of every epoch."""
        return plan_windows(
            signals.clean_spans,
            signals.data.shape[-1],
            signals.sfreq,
            window=self.window,
            step=self.step,
            method=self.psd,
            **(self.psd_kwargs or {}),
        )

    def _spectra(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """Estimate power as `SpectrumTransformer` does; with ``window`` of every window."""
        if self.pool is not None and signals.conditions is None:
            raise ValueError(
                f"pool={self.pool!r} averages over the epochs of a condition, so X must be Epochs."
            )
        if self.window is None:
            return super()._spectra(signals)
        plan = self._plan(signals)
        self._check_window(plan, signals.sfreq)
        used = plan.used.mean()
        if used < MIN_SHARE_READ:
            warn(
                f"{type(self).__name__} has no spectrum for {1 - used:.0%} of the windows: less "
                "than half of these is clean. Take shorter windows, or interpolate or repair "
                "instead of annotating."
            )
        return self._power_within(signals, self.freq_range)

    def _power_within(
        self, signals: Signals, freq_range: tuple[float, float] | None
    ) -> tuple[FloatArray, FloatArray]:
        """Estimate power within a range, without 0 Hz; with ``window`` of every window."""
        if self.window is None:
            return super()._power_within(signals, freq_range)
        low, high = (0.0, None) if freq_range is None else freq_range
        freqs, power = psd_of_windows(
            signals.data,
            signals.clean_spans,
            signals.sfreq,
            window=self.window,
            step=self.step,
            method=self.psd,
            freq_range=None if high is None else (0.0, high),
            **(self.psd_kwargs or {}),
        )
        power.swapaxes(1, 2)[signals.bad | signals.flat] = np.nan
        keep = (freqs >= low) & (freqs > 0)
        n_rows = power.shape[0] * power.shape[1]
        return freqs[keep], power[..., keep].reshape(n_rows, power.shape[2], -1)

    def _seconds(self, signals: Signals) -> tuple[float, float]:
        """Return the duration in s that spectra are estimated from, and that of the clean spans."""
        if self.window is None:
            return super()._seconds(signals)
        unit = len(signals.data) / signals.sfreq
        n_clean = sum(stop - start for start, stop in signals.clean_spans)
        return self._plan(signals).n_used * unit, n_clean * unit

    def _precision(self, signals: Signals) -> SpectrumPrecision:
        """Return the degrees of freedom of every row, shape (n_rows,)."""
        if self.window is None:
            precision = super()._precision(signals)
        else:
            plan, options = self._plan(signals), self.psd_kwargs or {}
            precision = precision_of_windows(plan, signals.sfreq, method=self.psd, **options)
            precision = precision._replace(dof=np.tile(precision.dof, len(signals.data)))
        if self.pool is None or signals.conditions is None:
            return precision
        by_epoch = precision.dof.reshape(len(signals.conditions), -1)
        own = np.array(signals.conditions, object)
        pooled = [by_epoch[own == name].sum(axis=0) for name in _conditions(signals)]
        return precision._replace(dof=np.concatenate(pooled))

    def _precision_of_mean(self, signals: Signals) -> SpectrumPrecision:
        """Return the degrees of freedom of the mean of the rows; windows may overlap."""
        precision = super()._precision_of_mean(signals)
        if self.window is None:
            return precision
        plan = self._plan(signals)
        share = min(np.diff(plan.starts[:2]).sum() / plan.length or 1.0, 1.0)
        return precision._replace(dof=max(precision.dof * share, 2.0))

    def _rows(self, signals: Signals) -> Rows:
        """Return what the rows of the table are; nothing if they are epochs."""
        n_epochs = len(signals.data)
        rows: dict[str, AnyArray] = {"epoch": np.arange(n_epochs)}
        if self.pool is not None:
            rows = {"condition": np.array(_conditions(signals), object)}
        elif self.window is None:
            return {}
        if self.window is None:
            return rows
        times = signals.tmin + self._plan(signals).centers / signals.sfreq
        (name, values), *_ = rows.items()
        return {name: np.repeat(values, len(times)), "time": np.tile(times, len(values))}

    def _pool(self, signals: Signals, power: FloatArray) -> FloatArray:
        """Average the rows of power over the epochs of each condition.

        Parameters
        ----------
        signals : Signals
            The recording.
        power : array, shape (n_rows, n_groups, n_freqs)
            Power of every epoch (and window).

        Returns
        -------
        pooled : array, shape (n_pooled, n_groups, n_freqs)
            Power of every condition (and window).
        """
        if self.pool is None or signals.conditions is None:
            return power
        by_epoch = power.reshape(len(signals.conditions), -1, *power.shape[1:])
        own = np.array(signals.conditions, object)
        pooled = [mean_of_known(by_epoch[own == name], axis=0) for name in _conditions(signals)]
        return np.concatenate(pooled)


def _conditions(signals: Signals) -> list[str]:
    """Return the names of the conditions, in alphabetical order."""
    return sorted(set(signals.conditions or ()))
