"""The result of fits of the 1/f-and-peaks model, and the reasons why one may fail."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from npa.spectral.fitting.peaks import peak_sum
from npa.spectral.model import aperiodic, knee_frequency
from npa.typing import AnyArray, FloatArray, IntArray

# A background with a knee and one peak have six parameters, for which a fit needs more points.
MIN_FREQS = 8

NOT_POSITIVE = "power is zero or not finite"
BACKGROUND_NOT_CONVERGED = "the background's fit did not converge"
TOO_FEW_BACKGROUND_POINTS = "too few points lie on the background"
PEAKS_NOT_CONVERGED = "the peaks' fit did not converge"
JOINT_FIT_NOT_CONVERGED = "the fit of background and peaks did not converge"

# What the engines must have in common to take the same path.
BACKGROUND_PERCENTILE = 0.025  # of the flattened spectrum: points up to it are background
MAX_NFEV_LINEAR_KNEE = 80  # an accepted step takes four evaluations


@dataclass(frozen=True, eq=False)
class SpectralFit:
    """Backgrounds and peaks of many power spectra.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    offset : array, shape (n_spectra,)
        Offset b of the background in log10 of power.
    knee : array, shape (n_spectra,)
        Knee k of the background; 0 in fixed mode.
    exponent : array, shape (n_spectra,)
        Exponent chi of the background.
    peaks : array, shape (n_spectra, max_n_peaks, 3)
        Centre frequency (Hz), height of the model over the background (log10 units) and two-sided
        bandwidth (Hz) of every peak, by increasing frequency; NaN where there are fewer.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and standard deviation (Hz) of the Gaussians
        whose sum is the model's peaks; NaN where there are fewer.
    r_squared : array, shape (n_spectra,)
        Squared correlation of the model with log10 power.
    error : array, shape (n_spectra,)
        Mean absolute error of the model in log10 units.
    reason : array of str, shape (n_spectra,)
        Why a fit failed; empty where it succeeded. All values of a failed fit are NaN.
    floor : array, shape (n_spectra,)
        Flat noise floor in log10 of power; NaN without one.
    peak_z : array, shape (n_spectra, max_n_peaks)
        Height of the Gaussian of every peak over its standard error; NaN without ``selection``.
    """

    freqs: FloatArray
    offset: FloatArray
    knee: FloatArray
    exponent: FloatArray
    peaks: FloatArray
    gaussians: FloatArray
    r_squared: FloatArray
    error: FloatArray
    reason: AnyArray
    floor: FloatArray
    peak_z: FloatArray

    @classmethod
    def empty(
        cls, freqs: FloatArray, n_spectra: int, max_n_peaks: int, reason: str = ""
    ) -> "SpectralFit":
        """Return a fit whose values are all NaN, to be filled.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies of the fit in Hz.
        n_spectra, max_n_peaks : int
            Number of spectra, and of peaks for which there is room.
        reason : str
            Why there is no fit.

        Returns
        -------
        fit : SpectralFit
            The fit.
        """
        scalars = [np.full(n_spectra, np.nan) for _ in range(6)]
        peaks, gaussians = np.full((2, n_spectra, max_n_peaks, 3), np.nan)
        offset, knee, exponent, r_squared, error, floor = scalars
        reasons = np.full(n_spectra, reason, dtype=object)
        peak_z = np.full((n_spectra, max_n_peaks), np.nan)
        curves = offset, knee, exponent, peaks, gaussians
        return cls(freqs, *curves, r_squared, error, reasons, floor, peak_z)

    @classmethod
    def concatenate(cls, fits: Sequence["SpectralFit"]) -> "SpectralFit":
        """Join fits over the same frequencies.

        Parameters
        ----------
        fits : sequence of SpectralFit
            At least one fit, all with room for as many peaks.

        Returns
        -------
        fit : SpectralFit
            The spectra of all fits, in their order.
        """
        if len(fits) == 1:
            return fits[0]
        names = [field.name for field in fields(cls) if field.name != "freqs"]
        joined = {name: np.concatenate([getattr(fit, name) for fit in fits]) for name in names}
        return cls(fits[0].freqs, **joined)

    def put(self, rows: IntArray, fit: "SpectralFit") -> None:
        """Set the values of some spectra.

        Parameters
        ----------
        rows : array of int, shape (n_rows,)
            Which spectra.
        fit : SpectralFit
            Their fit.
        """
        for field in fields(self):
            if field.name != "freqs":
                getattr(self, field.name)[rows] = getattr(fit, field.name)

    def select(self, rows: IntArray) -> "SpectralFit":
        """Return the fits of some spectra.

        Parameters
        ----------
        rows : array of int, shape (n_rows,)
            Which spectra.

        Returns
        -------
        fit : SpectralFit
            Their fit.
        """
        names = [field.name for field in fields(self) if field.name != "freqs"]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def n_peaks(self) -> IntArray:
        """Number of peaks of every spectrum, shape (n_spectra,); 0 where the fit failed."""
        n_peaks: IntArray = np.isfinite(self.peaks[..., 0]).sum(axis=1)
        return n_peaks

    @property
    def knee_freq(self) -> FloatArray:
        """Frequencies in Hz at which backgrounds bend, shape (n_spectra,).

        They are ``knee**(1 / exponent)``; NaN without a knee, and where the bend does not lie
        within the frequencies of the fit.
        """
        if not len(self.freqs):
            return np.full(len(self.knee), np.nan)
        return knee_frequency(self.knee, self.exponent, (self.freqs[0], self.freqs[-1]))

    @property
    def timescale(self) -> FloatArray:
        """Time constants of the bends in s, ``1 / (2 pi knee_freq)``, shape (n_spectra,)."""
        timescale: FloatArray = 1 / (2 * np.pi * self.knee_freq)
        return timescale

    @property
    def aperiodic(self) -> FloatArray:
        """Backgrounds in log10 of power, shape (n_spectra, n_freqs)."""
        columns = (self.offset, self.exponent, self.knee, np.nan_to_num(self.floor, nan=-np.inf))
        return aperiodic(self.freqs, *(column[:, np.newaxis] for column in columns))

    @property
    def model(self) -> FloatArray:
        """Backgrounds and peaks in log10 of power, shape (n_spectra, n_freqs)."""
        return self.aperiodic + peak_sum(self.freqs, self.gaussians)


def background_columns(aperiodic_mode: str) -> list[str]:
    """Return what describes a kind of background besides offset and exponent.

    Parameters
    ----------
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}
        Kind of background.

    Returns
    -------
    names : list of str
        Attributes of `SpectralFit`.

    Examples
    --------
    >>> background_columns("fixed"), background_columns("knee")
    ([], ['knee', 'knee_freq', 'timescale'])
    """
    if aperiodic_mode == "fixed":
        return []
    floor = ["floor"] if aperiodic_mode == "knee_floor" else []
    return ["knee", "knee_freq", "timescale", *floor]
