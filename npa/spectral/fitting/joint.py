"""Background and peaks of many spectra, all parameters of each fitted together."""

from dataclasses import dataclass, replace

import numpy as np

from npa.spectral.fitting.batching import diagonal_view
from npa.spectral.fitting.peaks import CACHE_BYTES, MIN_SD, unit_gaussian
from npa.spectral.fitting.trust_region_reflective import least_squares_trf
from npa.typing import BoolArray, FloatArray, IntArray

MAX_LOG_RATIO = 50.0  # of power to model in the likelihood, so that its exponential is finite
MAX_EXPONENT = 10.0
MAX_KNEE_RATIO = 10.0  # of a knee to the frequencies of the fit
KNEE_STARTS = (0.15, 0.5, 0.85)  # of the logarithmic range of frequencies
FLOOR_STARTS = (0.1, 1.0)  # log10 units below the power at the highest frequencies
MIN_FLOOR = -40.0  # log10 units
MAX_NFEV = 300
TOLERANCE = 1e-7  # of the objective; a criterion is then exact to 1e-4
LN10 = float(np.log(10))


@dataclass(frozen=True, eq=False)
class JointModel:
    """The model of log10 power, and what is minimized over all its parameters.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz.
    knee : bool
        Whether the background has a knee.
    width_limits : tuple of float
        Smallest and largest two-sided bandwidth of a peak in Hz.
    likelihood : bool
        Whether to maximize the likelihood of averaged periodograms, or minimize squares of
        residuals of log10 power.
    floor : bool, default False
        Whether a background with a knee has a flat noise floor, too.

    Notes
    -----
    The parameters of a spectrum are the level of the background (log10 units) at the geometric
    mean of lowest and highest frequency, the exponent, with a knee the natural logarithm of its
    frequency in Hz, with a floor its log10 power, and centre (Hz), height (log10 units) and
    standard deviation (Hz) of every peak. Unlike offset and knee parameter, these are hardly
    correlated.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> model = JointModel(freqs, False, (1, 12), True)
    >>> log_power = 2 - np.log10(freqs)[np.newaxis]
    >>> x, loss, converged = model.fit(log_power, np.zeros((1, 2)), np.array([0]))
    >>> model.background(x).round(6)
    array([[ 2.,  0.,  1., nan]])
    """

    freqs: FloatArray
    knee: bool
    width_limits: tuple[float, float]
    likelihood: bool
    floor: bool = False

    @property
    def n_background(self) -> int:
        """Number of parameters of the background."""
        return 2 + self.knee + self.floor

    @property
    def log_middle(self) -> float:
        """Natural logarithm of the frequency in Hz at which the level is a parameter."""
        return float(0.5 * np.log(self.freqs[0] * self.freqs[-1]))

    def background(self, x: FloatArray) -> FloatArray:
        """Return offset, knee, exponent and floor of every spectrum.

        Parameters
        ----------
        x : array, shape (n_rows, n_params)
            The parameters.

        Returns
        -------
        background : array, shape (n_rows, 4)
            As of `npa.spectral.aperiodic`. The floor is NaN where there is none, or where it adds
            less than 1 % to the background at all frequencies.
        """
        level, exponent = x[:, 0], x[:, 1]
        log_knee = exponent * x[:, 2] if self.knee else np.full(len(x), -np.inf)
        offset = level + np.logaddexp(log_knee, exponent * self.log_middle) / LN10
        floor = np.full(len(x), np.nan)
        if self.floor:
            curve, _ = replace(self, floor=False).linearize(x[:, :3])
            floor = np.where(x[:, 3] < curve.min(axis=1) - 2, np.nan, x[:, 3])
        return np.stack([offset, np.exp(log_knee), exponent, floor], axis=1)

    def peaks(self, x: FloatArray) -> FloatArray:
        """Return centre, height and standard deviation of the peaks.

        Parameters
        ----------
        x : array, shape (n_rows, n_params)
            The parameters.

        Returns
        -------
        peaks : array, shape (n_rows, n_peaks, 3)
            A view of the parameters.
        """
        return x[:, self.n_background :].reshape(len(x), -1, 3)

    def curve(self, x: FloatArray) -> FloatArray:
        """Return the model, shape (n_rows, n_freqs).

        Parameters
        ----------
        x : array, shape (n_rows, n_params)
            The parameters.

        Returns
        -------
        curve : array, shape (n_rows, n_freqs)
            log10 power.
        """
        curve = np.empty((len(x), len(self.freqs)))
        for part in self._parts(x):
            curve[part], _ = self.linearize(x[part])
        return curve

    def linearize(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the model and its derivatives.

        Parameters
        ----------
        x : array, shape (n_rows, n_params)
            The parameters.

        Returns
        -------
        curve : array, shape (n_rows, n_freqs)
            log10 power.
        jacobian : array, shape (n_rows, n_params, n_freqs)
            Its derivatives.
        """
        n_rows, n_bg = len(x), self.n_background
        jacobian = np.empty((n_rows, x.shape[1], len(self.freqs)))
        jacobian[:, 0] = 1.0
        level, exponent = x[:, 0, np.newaxis], x[:, 1, np.newaxis]
        octaves = np.log(self.freqs) - self.log_middle
        if self.knee:
            bend = x[:, 2, np.newaxis] - self.log_middle
            above = exponent * (octaves - bend)
            share, share_middle = _logistic(above), _logistic(-exponent * bend)
            fall = np.logaddexp(0, above) - np.logaddexp(0, -exponent * bend)
            jacobian[:, 1] = (share * (bend - octaves) - share_middle * bend) / LN10
            jacobian[:, 2] = exponent * (share - share_middle) / LN10
        else:
            fall = exponent * octaves
            jacobian[:, 1] = octaves / -LN10
        curve = level - fall / LN10
        if self.floor:
            ratio = np.exp(np.clip(LN10 * (x[:, 3, np.newaxis] - curve), None, MAX_LOG_RATIO))
            share = 1 / (1 + ratio)  # of the background in the sum with the floor
            jacobian[:, :3] *= share[:, np.newaxis]
            jacobian[:, 3] = 1 - share
            curve += np.log1p(ratio) / LN10
        if x.shape[1] > n_bg:
            centre, height, sd = np.moveaxis(self.peaks(x)[..., np.newaxis], 2, 0)
            sd = np.maximum(sd, MIN_SD)
            by_peak = jacobian[:, n_bg:].reshape(n_rows, -1, 3, len(self.freqs))
            distance = (self.freqs - centre) / sd
            bump = unit_gaussian(distance)
            by_peak[:, :, 1] = bump
            curve += (height.mT @ bump)[:, 0]
            bump *= distance
            bump *= height / sd
            by_peak[:, :, 0] = bump
            np.multiply(bump, distance, out=by_peak[:, :, 2])
        return curve, jacobian

    def loss(self, difference: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what is minimized, and its derivative.

        Parameters
        ----------
        difference : array, shape (n_rows, n_freqs)
            log10 power over the model.

        Returns
        -------
        loss : array, shape (n_rows, n_freqs)
            For the natural logarithm u of power over the model, u^2 / 2; or, for the likelihood of
            averaged periodograms, ``exp(u) - u - 1``, which for small u is the same.
        slope : array, shape (n_rows, n_freqs)
            Its derivative with respect to the model in log10 units.
        """
        u = LN10 * difference
        if not self.likelihood:
            return 0.5 * u**2, -LN10 * u
        excess = np.expm1(np.minimum(u, MAX_LOG_RATIO))
        return excess - u, -LN10 * excess

    def start(self, log_power: FloatArray) -> list[FloatArray]:
        """Return initial backgrounds, to be tried in turn.

        Parameters
        ----------
        log_power : array, shape (n_rows, n_freqs)
            log10 power.

        Returns
        -------
        starts : list of array, shape (n_rows, n_background)
            Lines of least squares, with bends at several frequencies.
        """
        decades = (np.log(self.freqs) - self.log_middle) / LN10
        design = np.stack([np.ones_like(decades), -decades], axis=1)
        line = log_power @ np.linalg.pinv(design).T
        line[:, 1] = np.clip(line[:, 1], -0.9 * MAX_EXPONENT, 0.9 * MAX_EXPONENT)
        if not self.knee:
            return [line]
        line[:, 1] = np.clip(1.5 * line[:, 1], 0.5, 0.9 * MAX_EXPONENT)  # it falls faster above
        log_range = np.log(self.freqs[[0, -1]])
        bends = [np.interp(share, [0, 1], log_range) for share in KNEE_STARTS]
        starts = [np.column_stack([line, np.full(len(line), bend)]) for bend in bends]
        if not self.floor:
            return starts
        highest = log_power[:, -max(len(self.freqs) // 8, 1) :]
        level = np.median(highest, axis=1)
        return [np.column_stack([s, level - depth]) for s in starts for depth in FLOOR_STARTS]

    def bounds(self, start: FloatArray, n_peaks: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the bounds of the parameters.

        Parameters
        ----------
        start : array, shape (n_rows, n_params)
            Parameters, of which only the shape matters.
        n_peaks : array of int, shape (n_rows,)
            Number of peaks of every spectrum.

        Returns
        -------
        lower, upper : array, shape (n_rows, n_params)
            The bounds; infinite where there is no peak.
        """
        first, last = self.freqs[[0, -1]]
        low, high = np.full_like(start, -np.inf), np.full_like(start, np.inf)
        low[:, 1], high[:, 1] = 0.0 if self.knee else -MAX_EXPONENT, MAX_EXPONENT
        if self.knee:
            low[:, 2] = np.log(first / MAX_KNEE_RATIO)
            high[:, 2] = np.log(last * MAX_KNEE_RATIO)
        if self.floor:
            low[:, 3], high[:, 3] = MIN_FLOOR, -MIN_FLOOR
        low_peaks, high_peaks = self.peaks(low), self.peaks(high)
        exists = np.arange(low_peaks.shape[1]) < n_peaks[:, np.newaxis]
        low_peaks[exists] = first, 0.0, self.width_limits[0] / 2
        high_peaks[exists] = last, np.inf, self.width_limits[1] / 2
        return low, high

    def fit(
        self, log_power: FloatArray, start: FloatArray, n_peaks: IntArray
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Fit all parameters of every spectrum together, within bounds.

        Parameters
        ----------
        log_power : array, shape (n_rows, n_freqs)
            log10 power.
        start : array, shape (n_rows, n_params)
            Initial parameters; 0 for peaks that a spectrum does not have.
        n_peaks : array of int, shape (n_rows,)
            Number of peaks of every spectrum.

        Returns
        -------
        x : array, shape (n_rows, n_params)
            The parameters.
        loss : array, shape (n_rows,)
            Sum of the loss over frequencies.
        converged : array of bool, shape (n_rows,)
            Whether the fit converged.
        """
        lower, upper = self.bounds(start, n_peaks)

        def evaluate(x: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            cost, gradient = np.empty(len(x)), np.empty_like(x)
            normal = np.empty((len(x), x.shape[1], x.shape[1]))
            for part in self._parts(x):
                curve, jacobian = self.linearize(x[part])
                loss, slope = self.loss(log_power[rows[part]] - curve)
                cost[part] = loss.sum(axis=1)
                np.matvec(jacobian, slope, out=gradient[part])
                np.matmul(jacobian, jacobian.mT, out=normal[part])
            normal *= LN10**2
            return cost, gradient, normal

        x, converged = least_squares_trf(
            evaluate,
            start,
            lower,
            upper,
            self.n_background + 3 * n_peaks,
            tol=TOLERANCE,
            max_nfev=MAX_NFEV,
        )
        return x, self.loss(log_power - self.curve(x))[0].sum(axis=1), converged

    def standard_errors(
        self, x: FloatArray, n_peaks: IntArray, information: FloatArray
    ) -> FloatArray:
        """Return the standard errors of all parameters, by the Fisher information.

        Parameters
        ----------
        x : array, shape (n_rows, n_params)
            The parameters at the optimum.
        n_peaks : array of int, shape (n_rows,)
            Number of peaks of every spectrum.
        information : array, shape (n_rows,)
            Inverse variance of the natural logarithm of power in one bin, as if bins were
            independent.

        Returns
        -------
        errors : array, shape (n_rows, n_params)
            Standard errors; NaN for peaks that a spectrum does not have.
        """
        errors = np.empty_like(x)
        unused = np.arange(x.shape[1]) >= self.n_background + 3 * n_peaks[:, np.newaxis]
        for part in self._parts(x):
            _, jacobian = self.linearize(x[part])
            jacobian *= LN10 * np.sqrt(information[part, np.newaxis, np.newaxis])
            jacobian[unused[part]] = 0.0
            errors[part] = np.sqrt(_inverse_diagonal(jacobian @ jacobian.mT))
        errors[unused] = np.nan
        return errors

    def _parts(self, x: FloatArray) -> list[slice]:
        """Return slices of the rows whose Jacobians fit into the cache."""
        step = max(CACHE_BYTES // (8 * x.shape[1] * len(self.freqs)), 1)
        return [slice(first, first + step) for first in range(0, len(x), step)]


def _logistic(x: FloatArray) -> FloatArray:
    logistic: FloatArray = 0.5 * (1 + np.tanh(0.5 * x))
    return logistic


def _inverse_diagonal(matrices: FloatArray) -> FloatArray:
    """Return the diagonals of the inverses; large where a matrix is singular."""
    scale = np.sqrt(diagonal_view(matrices))
    scale[scale == 0] = 1.0
    scaled = matrices / (scale[:, :, np.newaxis] * scale[:, np.newaxis])
    diagonal_view(scaled)[:] += 1e-12
    return np.asarray(diagonal_view(np.linalg.inv(scaled)) / scale**2, np.float64)
