"""The number of peaks and the kind of background, chosen by an information criterion."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from npa.spectral.fitting.joint import LN10, JointModel
from npa.spectral.fitting.peaks import unit_gaussian
from npa.typing import BoolArray, FloatArray, IntArray

CRITERIA = ("bic", "aicc")
APERIODIC_MODES = ("fixed", "knee", "knee_floor", "auto")
# log10 units, standard deviation: peaks of real spectra are not Gaussians. In simulated spectra of
# 200 windows, 0.06 reduces the false peaks per spectrum where peaks are Lorentzian from 0.70 to
# 0.11, skewed from 0.73 to 0.09, additive from 0.19 to 0.01, and misses 0.1 more of Gaussian ones;
# in 20 windows it makes no difference.
MODEL_ERROR = 0.06
HANN_CORRELATED_BINS = 1.94  # of Hann windows without padding
MIN_VARIANCE = 1e-12  # of ln power; exact spectra have none
PATIENCE = 2  # peaks that are added without a gain before the search ends
N_TEMPLATE_WIDTHS = 6
MIN_START_HEIGHT = 0.01  # log10 units
MIN_FREQS_PER_PARAM = 1.5
MIN_KNEE_RATIO = 1.5  # of a knee that is chosen to the ends of the range: the bend must lie within


class Selected(NamedTuple):
    """The models that were chosen.

    Parameters
    ----------
    background : array, shape (n_spectra, 4)
        Offset, knee, exponent and floor; a knee of 0 is a straight line, and NaN no floor.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre (Hz), height (log10 units) and standard deviation (Hz), by increasing frequency; NaN
        where there are fewer.
    peak_z : array, shape (n_spectra, max_n_peaks)
        Height of every peak over its standard error.
    criterion : array, shape (n_spectra,)
        Value of the information criterion.
    converged : array of bool, shape (n_spectra,)
        Whether the chosen fit converged.
    """

    background: FloatArray
    gaussians: FloatArray
    peak_z: FloatArray
    criterion: FloatArray
    converged: BoolArray


@dataclass(frozen=True, eq=False)
class Criterion:
    r"""An information criterion for models of power spectra.

    Parameters
    ----------
    name : {"bic", "aicc"}
        The criterion of Schwarz, or Akaike's with the correction for small samples.
    n_freqs : int
        Number of frequencies.
    dof : array, shape (n_spectra,) | None
        Degrees of freedom of the power of every spectrum; None if they are not known.
    correlated_bins : float
        Number of bins that hold one independent value.

    Notes
    -----
    With c correlated bins, n frequencies count as n / c, and log-likelihoods are divided by c. For
    averaged periodograms, whose power has a gamma distribution with shape :math:`\nu / 2`
    around the model S, twice the negative log-likelihood is, up to a constant,

    .. math:: D = \frac{\nu}{c} \sum_f \left(\frac{P_f}{S_f} - \ln \frac{P_f}{S_f} - 1\right).

    Where nu is not known, residuals of log power are taken to be normal with the same unknown
    variance, :math:`D = (n / c) \ln (\sigma^2)`, which counts as a parameter. As no spectrum has
    exactly this model, a variance of 0.06^2 (log10 units) is added to that of power.

    The Bayesian criterion is :math:`D + p \ln (n / c)` for p parameters, Akaike's corrected one
    :math:`D + 2 p + 2 p (p + 1) / (n / c - p - 1)`.

    Examples
    --------
    >>> criterion = Criterion("bic", 100, dof=np.array([40.0]), correlated_bins=1.0)
    >>> criterion(np.array([2.0]), np.array([2])).round(2)  # 28.95 * 2 + 2 * log(100)
    array([67.11])
    """

    name: str
    n_freqs: int
    dof: FloatArray | None = None
    correlated_bins: float = 1.0

    def of(self, rows: IntArray) -> "Criterion":
        """Return the criterion of some spectra.

        Parameters
        ----------
        rows : array of int, shape (n_rows,)
            Indices of the spectra.

        Returns
        -------
        criterion : Criterion
            The same for these.
        """
        return self if self.dof is None else replace(self, dof=self.dof[rows])

    def __call__(self, loss: FloatArray, n_params: IntArray) -> FloatArray:
        """Return the criterion, to be minimized.

        Parameters
        ----------
        loss : array, shape (n_spectra,)
            Sums of the loss of `JointModel`.
        n_params : array of int, shape (n_spectra,)
            Number of parameters.

        Returns
        -------
        values : array, shape (n_spectra,)
            The criterion; infinite where there are too few frequencies for the parameters.
        """
        n, scale = self.n_freqs / self.correlated_bins, self.scale(len(loss))
        deviance = scale * loss
        if self.dof is None:
            n_params = n_params + 1
            deviance = scale * np.log(2 * loss / self.n_freqs + (LN10 * MODEL_ERROR) ** 2)
        rest = n - n_params - 1
        if self.name == "bic":
            return np.asarray(deviance + n_params * np.log(n))
        correction = np.divide(n_params + 1, rest, where=rest > 0, out=np.full(len(loss), np.inf))
        return np.asarray(deviance + 2 * n_params * (1 + correction))

    def scale(self, n_spectra: int) -> FloatArray:
        """Return the factors of the loss, or of the logarithm of its mean, in the deviance.

        Parameters
        ----------
        n_spectra : int
            Number of spectra.

        Returns
        -------
        scale : array, shape (n_spectra,)
            The factors.
        """
        if self.dof is None:
            return np.full(n_spectra, self.n_freqs / self.correlated_bins)
        added = 0.5 * (LN10 * MODEL_ERROR) ** 2
        return np.asarray(1 / (1 / self.dof + added) / self.correlated_bins)

    def most_peaks(self, n_background: int, max_n_peaks: int) -> int:
        """Return the largest number of peaks for which there are enough frequencies.

        Parameters
        ----------
        n_background : int
            Number of parameters of the background.
        max_n_peaks : int
            Largest number asked for.

        Returns
        -------
        n_peaks : int
            Such that a parameter has 1.5 frequencies.
        """
        most = int((self.n_freqs / MIN_FREQS_PER_PARAM - n_background) // 3)
        return max(min(max_n_peaks, most), 0)

    def information(self, loss: FloatArray, n_params: IntArray) -> FloatArray:
        """Return the inverse variance of ln power per bin, as if bins were independent.

        Parameters
        ----------
        loss : array, shape (n_spectra,)
            Sums of the loss of `JointModel`.
        n_params : array of int, shape (n_spectra,)
            Number of parameters.

        Returns
        -------
        information : array, shape (n_spectra,)
            Inverse variances.
        """
        if self.dof is not None:
            return self.dof / 2 / self.correlated_bins
        variance = 2 * loss / (self.n_freqs - n_params)
        return np.asarray(1 / np.maximum(variance, MIN_VARIANCE) / self.correlated_bins)


@dataclass(eq=False)
class Candidates:
    """The best model of every spectrum so far.

    Parameters
    ----------
    x : array, shape (n_spectra, n_params)
        Parameters of the model; 0 for peaks that a spectrum does not have.
    n_peaks : array of int, shape (n_spectra,)
        Number of peaks.
    loss, criterion : array, shape (n_spectra,)
        Sum of the loss, and the criterion.
    converged : array of bool, shape (n_spectra,)
        Whether the fit converged.
    """

    x: FloatArray
    n_peaks: IntArray
    loss: FloatArray
    criterion: FloatArray
    converged: BoolArray

    def result(self, model: JointModel, criterion: Criterion) -> Selected:
        """Return the models with their parameters' usual names.

        Parameters
        ----------
        model : JointModel
            The model.
        criterion : Criterion
            The criterion.

        Returns
        -------
        selected : Selected
            The models.
        """
        n_params = model.n_background + 3 * self.n_peaks
        information = criterion.information(self.loss, n_params)
        errors = model.standard_errors(self.x, self.n_peaks, information)
        peaks = model.peaks(self.x).copy()
        peaks[np.arange(peaks.shape[1]) >= self.n_peaks[:, np.newaxis]] = np.nan
        z = peaks[..., 1] / model.peaks(errors)[..., 1]
        order = peaks[..., 0].argsort(axis=1, kind="stable")
        return Selected(
            model.background(self.x),
            np.take_along_axis(peaks, order[..., np.newaxis], axis=1),
            np.take_along_axis(z, order, axis=1),
            self.criterion,
            self.converged,
        )


Search: TypeAlias = Callable[[JointModel, FloatArray, Criterion, int, float], Candidates]


def select_models(
    freqs: FloatArray,
    log_power: FloatArray,
    *,
    aperiodic_mode: str,
    criterion: Criterion,
    width_limits: tuple[float, float],
    max_n_peaks: int,
    min_height: float,
    search: Search,
) -> Selected:
    """Choose the number of peaks of spectra, and, on request, whether the background has a knee.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz.
    log_power : array, shape (n_spectra, n_freqs)
        log10 power, finite.
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}
        Kind of background; "auto" for "fixed" or "knee", that with the lower criterion. It chooses
        a knee only within the frequencies, 1.5 times away from their ends.
    criterion : Criterion
        The criterion.
    width_limits : tuple of float
        Smallest and largest two-sided bandwidth in Hz.
    max_n_peaks : int
        Largest number of peaks.
    min_height : float
        Smallest height of a peak in log10 units. Models with a lower one are not chosen.
    search : callable
        Finds the best model of a kind of background: `add_peaks`, or a faster one.

    Returns
    -------
    selected : Selected
        The models.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> log_power = -np.log10(5**2 + freqs**2) + np.exp(-((freqs - 10) ** 2) / 2)
    >>> selected = select_models(
    ...     freqs, log_power[np.newaxis], aperiodic_mode="auto", width_limits=(1, 12),
    ...     criterion=Criterion("bic", len(freqs)), max_n_peaks=3, min_height=0.1, search=add_peaks)
    >>> selected.background.round(2), selected.gaussians[:, :2].round(2)
    (array([[ 0., 25.,  2., nan]]), array([[[10.,  1.,  1.],
            [nan, nan, nan]]]))
    """
    results = []
    for mode in ("fixed", "knee") if aperiodic_mode == "auto" else (aperiodic_mode,):
        likelihood = criterion.dof is not None
        model = JointModel(freqs, mode != "fixed", width_limits, likelihood, mode == "knee_floor")
        best = search(model, log_power, criterion, max_n_peaks, min_height)
        results.append(best.result(model, criterion))
        if mode == "knee" and aperiodic_mode == "auto":
            bend = np.exp(best.x[:, 2])
            inside = (bend >= MIN_KNEE_RATIO * freqs[0]) & (bend <= freqs[-1] / MIN_KNEE_RATIO)
            results[-1].criterion[~inside] = np.inf
    if len(results) == 1:
        return results[0]
    fixed, bent = results
    use = bent.criterion < fixed.criterion
    return Selected(
        *(
            np.where(use.reshape(-1, *[1] * (one.ndim - 1)), other, one)
            for one, other in zip(fixed, bent, strict=True)
        )
    )


def add_peaks(
    model: JointModel,
    log_power: FloatArray,
    criterion: Criterion,
    max_n_peaks: int,
    min_height: float,
) -> Candidates:
    """Add one peak after the other where it raises the likelihood most; keep the best model.

    Parameters
    ----------
    model : JointModel
        The model.
    log_power : array, shape (n_spectra, n_freqs)
        log10 power, finite.
    criterion : Criterion
        The criterion.
    max_n_peaks : int
        Largest number of peaks.
    min_height : float
        Smallest height of a peak in log10 units.

    Returns
    -------
    best : Candidates
        The best model of every spectrum.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> log_power = np.exp(-((freqs - 10) ** 2) / 2) - np.log10(freqs)
    >>> model = JointModel(freqs, False, (1, 12), False)
    >>> best = add_peaks(model, log_power[np.newaxis], Criterion("bic", len(freqs)), 3, 0.1)
    >>> best.n_peaks, best.x[:, :5].round(3)
    (array([1]), array([[-0.827,  1.   , 10.   ,  1.   ,  1.   ]]))
    """
    n_spectra, n_bg = len(log_power), model.n_background
    x = np.zeros((n_spectra, n_bg + 3 * max_n_peaks))
    none, loss = np.zeros(n_spectra, dtype=np.intp), np.full(n_spectra, np.inf)
    converged = np.zeros(n_spectra, dtype=bool)
    for start in model.start(log_power):
        new, new_loss, new_converged = model.fit(log_power, start, none)
        better = new_loss < loss
        x[better, :n_bg], loss[better] = new[better], new_loss[better]
        converged[better] = new_converged[better]
    value = criterion(loss, n_bg + none)
    best = Candidates(x.copy(), none, loss, value, converged)
    lowest = value.copy()  # also of models that are not allowed: peaks added later may make them so
    templates = Templates(model)
    rows, waiting = np.arange(n_spectra), np.zeros(n_spectra, dtype=np.intp)
    for number in range(1, criterion.most_peaks(n_bg, max_n_peaks) + 1):
        n_params = n_bg + 3 * number
        start = x[rows, :n_params]
        residual = log_power[rows] - model.curve(start[:, :-3])
        start[:, -3:] = templates.propose(residual)
        n_peaks = np.full(len(rows), number)
        new, loss, converged = model.fit(log_power[rows], start, n_peaks)
        x[rows, :n_params] = new
        value = criterion.of(rows)(loss, n_bg + 3 * n_peaks)
        centre, height, sd = np.moveaxis(model.peaks(new), 2, 0)
        inside = np.minimum(centre - model.freqs[0], model.freqs[-1] - centre) >= sd
        allowed = (inside & (height >= min_height)).all(axis=1)
        better = allowed & (value < best.criterion[rows])
        chosen = rows[better]
        best.x[chosen, :n_params] = new[better]
        best.n_peaks[chosen], best.loss[chosen] = number, loss[better]
        best.criterion[chosen], best.converged[chosen] = value[better], converged[better]
        lower = value < lowest[rows]
        lowest[rows[lower]] = value[lower]
        waiting[rows] = np.where(lower | better, 0, waiting[rows] + 1)
        rows = rows[waiting[rows] < PATIENCE]
        if not len(rows):
            break
    return best


class Templates:
    """Peaks of all centres and several widths, orthogonal to smooth backgrounds.

    Parameters
    ----------
    model : JointModel
        The model.
    """

    def __init__(self, model: JointModel) -> None:
        freqs = model.freqs
        low, high = (limit / 2 for limit in model.width_limits)
        widths = np.geomspace(low, high, N_TEMPLATE_WIDTHS)
        centre, sd = (v.ravel() for v in np.meshgrid(freqs, widths, indexing="ij"))
        inside = np.minimum(centre - freqs[0], freqs[-1] - centre) >= sd
        if not inside.any():  # no width fits into the range
            inside = sd == widths[0]
        self.centre, self.sd = centre[inside], sd[inside]
        curves = unit_gaussian((freqs - self.centre[:, np.newaxis]) / self.sd[:, np.newaxis])
        powers = np.log(freqs)[:, np.newaxis] ** np.arange(model.n_background)
        basis, _ = np.linalg.qr(powers)
        curves -= (curves @ basis) @ basis.T
        self.norm = np.linalg.norm(curves, axis=1)
        self.unit = curves / self.norm[:, np.newaxis]

    def propose(self, residual: FloatArray) -> FloatArray:
        """Return the peaks that reduce squared residuals most.

        Parameters
        ----------
        residual : array, shape (n_rows, n_freqs)
            log10 power over a model.

        Returns
        -------
        peaks : array, shape (n_rows, 3)
            Centre (Hz), height (log10 units) and standard deviation (Hz).
        """
        gain = residual @ self.unit.T
        best = gain.argmax(axis=1)
        height = gain[np.arange(len(best)), best] / self.norm[best]
        height = np.maximum(height, MIN_START_HEIGHT)
        return np.stack([self.centre[best], height, self.sd[best]], axis=1)
