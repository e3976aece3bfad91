"""How the filters of a network respond to flickering images: scores, sides, stability."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.fft import rfft
from scipy.stats import spearmanr

from npa.spectral.snr import snr_spectrum, tag_terms
from npa.typing import AnyArray, BoolArray, FloatArray
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.stimulation.flicker import ContrastFlicker, Frames

TAGS = (6.0, 7.5)  # Hz, left and right half
FPS = 120.0
SCORES = ("a", "b", "c")
PIXEL_NOISE = 0.05  # standard deviation under score b, of pixels in [0, 1]
N_SPLITS = 100  # of the images into halves

Responses = dict[str, AnyArray]


@dataclass(frozen=True)
class NoisyFrames:
    """Frames with Gaussian noise on each pixel, new in each frame.

    Parameters
    ----------
    frames : npa_ann.stimulation.flicker.Frames
        Flickering images.
    sd : float
        Standard deviation of the noise, in units of [0, 1].
    random_state : int
        Seed; the noise of an image does not depend on which others are asked for.

    Examples
    --------
    >>> frames = ContrastFlicker(TAGS).fit_transform(np.ones((2, 4, 4, 3)))
    >>> noisy = NoisyFrames(frames, sd=0.1, random_state=0)
    >>> bool((noisy[1:2] == noisy[:][1:2]).all()), noisy[:1].shape
    (True, (1, 240, 4, 4, 3))
    """

    frames: Frames
    sd: float
    random_state: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, frames, rows, columns and colours."""
        return tuple(self.frames.shape)

    @property
    def sfreq(self) -> float:
        """Frames per second."""
        return float(self.frames.sfreq)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> AnyArray:
        movies: AnyArray = self.frames[rows]
        for number, movie in zip(range(*rows.indices(len(self))), movies, strict=True):
            rng = np.random.default_rng([self.random_state, number])
            movie += self.sd * rng.standard_normal(movie.shape, dtype=np.float32)
        return movies


def tag_network(
    model: keras.Model,
    layers: str | list[str],
    images: AnyArray,
    *,
    tags: tuple[float, float] = TAGS,
    depth: float = 0.5,
    duration: float = 2.0,
    noise: float = 0.0,
    random_state: int = 0,
    progress: Callable[..., Any] | None = None,
) -> Responses:
    """Show images whose halves flicker at their own tags, and measure each filter's spectrum.

    Parameters
    ----------
    model : keras.Model
        A network for images in [0, 1].
    layers : str | list of str
        Layers to record, as in `npa_ann.ActivationRecorder`, averaged over each filter's map.
    images : array of uint8, shape (n, height, width, 3)
        Images.
    tags : tuple of float
        Flicker of the left and of the right half in Hz.
    depth : float
        Depth of the modulation.
    duration : float
        Seconds, at 120 frames per second.
    noise : float
        Standard deviation of Gaussian pixel noise.
    random_state : int
        Seed of the noise.
    progress : callable | None
        Wraps the batches, as tqdm does.

    Returns
    -------
    responses : dict of array
        ``filters`` (names); ``terms`` (names) and their ``frequencies`` in Hz; ``amplitudes`` at
        the terms, shape (n, n_filters, n_terms); ``mean`` activation, ``code`` (the published
        code's score) and ``snr`` at the two tags, shape (n, n_filters); ``spectrum``, mean
        amplitude over images, shape (n_filters, n_freqs).

    Notes
    -----
    ``snr`` is the mean over the two tags of amplitude over the mean of three neighbours on each
    side, other terms left out. ``code`` is what the code published with [1]_ computes: this ratio
    at every bin above 0 Hz, whatever the neighbours are, averaged over all bins. Without noise
    most neighbours are rounding errors, so that a filter that responds to one tag alone has a
    ``code`` of thousands.

    References
    ----------
    .. [1] Böge, Gunindi, Aptoula, Alp & Ozkan (2024). Adapting the biological SSVEP response to
       artificial neural networks. https://doi.org/10.48550/arXiv.2411.10084

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> images = np.full((1, 32, 32, 3), 200, np.uint8)
    >>> responses = tag_network(resnet(8), "conv_1", images)
    >>> responses["amplitudes"].shape, str(responses["filters"][3])
    ((1, 16, 20), 'conv_1/filter/003')
    """
    flicker = ContrastFlicker(tags, "halves", FPS, duration, depth)
    frames = flicker.fit_transform(np.asarray(images, np.float32) / 255)
    if noise:
        frames = NoisyFrames(frames, noise, random_state)
    recorder = ActivationRecorder(model, layers, batch_size=240).fit(frames)
    terms = tag_terms(tags, nyquist=FPS / 2, resolution=1 / duration)
    names = [term.name for term in terms]
    bins = np.array([round(term.frequency * duration) for term in terms])
    tag_bins = bins[[names.index("f1"), names.index("f2")]]
    parts: dict[str, list[AnyArray]] = {name: [] for name in ("amplitudes", "mean", "code", "snr")}
    total = 0.0
    batches = recorder.iter_record(frames)
    for batch in batches if progress is None else progress(batches, total=len(frames)):
        amplitude = np.abs(rfft(batch.astype(float), norm="forward"))
        amplitude[..., 1:-1] *= 2  # neither 0 Hz nor, of an even number of frames, Nyquist
        parts["amplitudes"].append(amplitude[..., bins].astype(np.float32))
        parts["mean"].append(amplitude[..., 0].astype(np.float32))
        parts["code"].append(_published_score(amplitude))
        with np.errstate(invalid="ignore"):
            ratios = snr_spectrum(amplitude, bins=tag_bins, exclude=[0, *bins])
        parts["snr"].append(np.nan_to_num(ratios, posinf=0).mean(axis=-1))
        total = total + amplitude.sum(axis=0)
    return {
        "filters": np.array(recorder.ch_names_),
        "terms": np.array(names),
        "frequencies": np.array([term.frequency for term in terms]),
        "spectrum": np.asarray(total / len(frames)),
        **{name: np.concatenate(values) for name, values in parts.items()},
    }


def layer_of(filters: Any) -> AnyArray:
    """Return the layer of each filter.

    Parameters
    ----------
    filters : sequence of str
        Names such as ``"relu_4/filter/012"``.

    Returns
    -------
    layers : array of str
        What is before the first slash.

    Examples
    --------
    >>> layer_of(["relu_4/filter/012"]).tolist()
    ['relu_4']
    """
    return np.array([str(name).partition("/")[0] for name in filters])


def relative(values: AnyArray, layers: AnyArray) -> FloatArray:
    """Divide by the mean over the filters of the same layer.

    Parameters
    ----------
    values : array, shape (n_filters,)
        Not negative.
    layers : array of str, shape (n_filters,)
        Layer of each filter.

    Returns
    -------
    ratios : array, shape (n_filters,)
        1 is the layer's mean; 0 throughout a layer that does not respond.

    Examples
    --------
    >>> relative(np.array([1.0, 3.0, 5.0]), np.array(["x", "x", "y"]))
    array([0.5, 1.5, 1. ])
    """
    names, index = np.unique(layers, return_inverse=True)
    means = np.array([values[layers == name].mean() for name in names])[index]
    return _share(np.asarray(values, float), means)


def score(responses: Responses, noisy: Responses, rows: Any = slice(None)) -> Responses:
    """Score each filter in three ways.

    Parameters
    ----------
    responses, noisy : dict
        Returned by `tag_network` without and with noise.
    rows : slice | array of int
        Images to average over.

    Returns
    -------
    scores : dict of array, shape (n_filters,)
        ``a``: amplitude at both tags, relative to the layer's mean; ``b``: signal-to-noise ratio
        at both tags under pixel noise; ``c``: the published code's score, without noise.

    Examples
    --------
    >>> one = {"filters": np.array(["x/filter/0", "x/filter/1"]), "terms": np.array(["f1", "f2"])}
    >>> one |= {"amplitudes": np.array([[[1.0, 1], [2, 4]]]), "code": np.ones((1, 2))}
    >>> score(one, {"snr": np.full((1, 2), 3.0)})["a"]
    array([0.5, 1.5])
    """
    at_tags = np.isin(responses["terms"], ("f1", "f2"))
    amplitude = responses["amplitudes"][rows][..., at_tags].sum(axis=-1).mean(axis=0)
    return {
        "a": relative(amplitude, layer_of(responses["filters"])),
        "b": noisy["snr"][rows].mean(axis=0),
        "c": responses["code"][rows].mean(axis=0),
    }


def sides(responses: Responses) -> Responses:
    """Measure which half each filter follows, and how much it mixes the two.

    Parameters
    ----------
    responses : dict
        Returned by `tag_network`.

    Returns
    -------
    sides : dict of array, shape (n_filters,)
        ``balance``: (left - right) / (left + right) of the amplitudes at the two tags, from 1
        (left only) to -1; ``mixing``: root sum of squares of the intermodulation terms over that
        of the two tags. 0 for a filter that does not respond.

    Examples
    --------
    >>> one = {"terms": np.array(["f1", "f2", "f1+f2"]), "amplitudes": np.array([[[3.0, 1, 2]]])}
    >>> sides(one)["balance"]
    array([0.5])
    """
    names, amplitude = responses["terms"], responses["amplitudes"].mean(axis=0)
    left, right = amplitude[:, names == "f1"][:, 0], amplitude[:, names == "f2"][:, 0]
    mixing = np.sqrt((amplitude[:, is_mixed(names)] ** 2).sum(axis=1))
    return {
        "balance": _share(left - right, left + right),
        "mixing": _share(mixing, np.hypot(left, right)),
    }


def split_half(
    responses: Responses, noisy: Responses, rng: np.random.Generator, n_splits: int = N_SPLITS
) -> dict[str, dict[str, list[float]]]:
    """Correlate the scores from one half of the images with those from the other.

    Parameters
    ----------
    responses, noisy : dict
        Returned by `tag_network` without and with noise.
    rng : numpy.random.Generator
        Draws the splits.
    n_splits : int
        Number of random splits.

    Returns
    -------
    stability : dict
        Score to layer, and to ``"all"``, to the median rank correlation and its 95 % range over
        splits: ``[median, low, high]``. Over all layers, scores are relative to their layer.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> images = np.random.default_rng(0).integers(256, size=(2, 32, 32, 3)).astype(np.uint8)
    >>> clean, noisy = (tag_network(resnet(8), "relu_1", images, noise=sd) for sd in (0, 0.05))
    >>> list(split_half(clean, noisy, np.random.default_rng(0), n_splits=2)["a"])
    ['relu_1', 'all']
    """
    layers = layer_of(responses["filters"])
    n = len(responses["mean"])
    rhos: dict[str, dict[str, list[float]]] = {name: {} for name in SCORES}
    for _ in range(n_splits):
        order = rng.permutation(n)
        one, other = (score(responses, noisy, rows) for rows in np.split(order, [n // 2]))
        for name, by_layer in rhos.items():
            for layer in dict.fromkeys(layers):
                pair = (half[name][layers == layer] for half in (one, other))
                by_layer.setdefault(str(layer), []).append(_correlate(*pair))
            by_layer.setdefault("all", []).append(agreement(one[name], other[name], layers))
    return {
        name: {
            layer: np.nanpercentile(values, [50, 2.5, 97.5]).tolist()
            for layer, values in by_layer.items()
        }
        for name, by_layer in rhos.items()
    }


def agreement(scores: AnyArray, others: AnyArray, layers: AnyArray) -> float:
    """Correlate scores of the same filters in two settings.

    Parameters
    ----------
    scores, others : array, shape (n_filters,)
        One kind of score.
    layers : array of str, shape (n_filters,)
        Layer of each filter.

    Returns
    -------
    rho : float
        Rank correlation over all filters of scores relative to their layer.

    Examples
    --------
    >>> layers = np.array(["x", "x", "x"])
    >>> round(agreement(np.array([1, 2, 3.0]), np.array([1, 4, 9.0]), layers), 6)
    1.0
    """
    return _correlate(relative(scores, layers), relative(others, layers))


def _correlate(one: AnyArray, other: AnyArray) -> float:
    """Rank correlation; NaN where one side is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def is_mixed(names: AnyArray) -> BoolArray:
    """Return which terms mix both tags.

    Parameters
    ----------
    names : array of str, shape (n_terms,)
        Names of terms.

    Returns
    -------
    mixed : array of bool, shape (n_terms,)
        Whether each mixes both.

    Examples
    --------
    >>> is_mixed(["2f1", "f1+f2"]).tolist()
    [False, True]
    """
    return np.array(["f1" in name and "f2" in name for name in names])


def _share(part: AnyArray, whole: AnyArray) -> FloatArray:
    """Divide; 0 where the divisor is 0."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _published_score(amplitude: AnyArray) -> AnyArray:
    """Average over all bins above 0 Hz of amplitude over three neighbours on each side."""
    ratios = snr_spectrum(amplitude[..., 1:], n_neighbors=3, n_skip=0)
    known = np.isfinite(ratios)
    mean: AnyArray = np.where(known, ratios, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return mean
