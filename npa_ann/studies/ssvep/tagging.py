"""How strongly every filter of a network answers to flickering images, by three scores."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft

from npa.spectral.snr import snr_spectrum, tag_terms
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.stimulation.flicker import ContrastFlicker

TAGS = (6.0, 7.5)
FPS = 120.0
SCORES = ("a", "b", "c")
NOISE = 0.05  # standard deviation of the pixel noise under score b, pixels being in [0, 1]


@dataclass(frozen=True)
class NoisyFrames:
    """Frames with seeded Gaussian noise on every pixel, afresh in every frame.

    Parameters
    ----------
    frames : npa_ann.stimulation.flicker.Frames
        Flickering images.
    sd : float
        Standard deviation of the noise, in units of [0, 1].
    seed : int
        Seed; the noise of an image does not depend on what else is asked for.

    Examples
    --------
    >>> frames = ContrastFlicker(TAGS).fit_transform(np.ones((2, 4, 4, 3)))
    >>> noisy = NoisyFrames(frames, sd=0.1, seed=0)
    >>> bool((noisy[1:2] == noisy[:][1:2]).all()), noisy[:1].shape
    (True, (1, 240, 4, 4, 3))
    """

    frames: object
    sd: float
    seed: int

    @property
    def shape(self):
        """Number of images, frames, rows, columns and colours."""
        return self.frames.shape

    @property
    def sfreq(self):
        """Frames a second."""
        return self.frames.sfreq

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, rows):
        clean = self.frames[rows]
        for number, movie in zip(range(*rows.indices(len(self))), clean, strict=True):
            rng = np.random.default_rng([self.seed, number])
            movie += self.sd * rng.standard_normal(movie.shape, dtype=np.float32)
        return clean


def tag_network(
    model, layers, images, *, tags=TAGS, depth=0.5, duration=2.0, noise=0.0, seed=0, progress=None
):
    """Let images flicker, left and right half at their own tag, and read every filter's spectrum.

    Parameters
    ----------
    model : keras.Model
        A network for images in [0, 1].
    layers : str | list of str
        Layers to read, as `npa_ann.ActivationRecorder` takes them; a filter is averaged over its
        map.
    images : array of uint8, shape (n, height, width, 3)
        Images.
    tags : tuple of float
        Flicker of the left and of the right half, Hz.
    depth : float
        Depth of the modulation.
    duration : float
        Seconds, at 120 frames a second.
    noise : float
        Standard deviation of Gaussian pixel noise.
    seed : int
        Seed of the noise.
    progress : callable | None
        Wraps the batches, as tqdm does.

    Returns
    -------
    responses : dict of array
        ``filters`` (names); ``terms`` (their names) and ``frequencies``; ``amplitudes`` of the
        terms, shape (n, n_filters, n_terms); ``mean`` activation (n, n_filters); ``code``, the
        published code's score (n, n_filters); ``snr`` at the two tags (n, n_filters);
        ``spectrum``, mean amplitude over images (n_filters, n_freqs).

    Notes
    -----
    ``snr`` is the mean over the two tags of amplitude over the mean of three neighbours a side,
    other terms left out. ``code`` is what the code published with [1]_ computes: the same ratio
    at every bin but 0 Hz, whatever lies in the neighbours, averaged over all bins. Without noise
    most neighbours hold rounding alone, so that a filter that answers to one tag only has a
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
    >>> responses["amplitudes"].shape, responses["filters"][3]
    ((1, 16, 20), np.str_('conv_1/filter/003'))
    """
    flicker = ContrastFlicker(tags, "halves", FPS, duration, depth)
    frames = flicker.fit_transform(np.asarray(images, np.float32) / 255)
    if noise:
        frames = NoisyFrames(frames, noise, seed)
    recorder = ActivationRecorder(model, layers, batch_size=240).fit(frames)
    terms = tag_terms(tags, nyquist=FPS / 2, resolution=1 / duration)
    bins = np.array([round(term.frequency * duration) for term in terms])
    parts, total = {name: [] for name in ("amplitudes", "mean", "code", "snr")}, 0.0
    batches = recorder.iter_record(frames)
    for batch in batches if progress is None else progress(batches, total=len(frames)):
        amplitude = np.abs(rfft(batch.astype(float), norm="forward"))
        amplitude[..., 1:-1] *= 2  # neither 0 Hz nor, of an even number of frames, Nyquist
        own = [bins[[term.name for term in terms].index(name)] for name in ("f1", "f2")]
        parts["amplitudes"].append(amplitude[..., bins].astype(np.float32))
        parts["mean"].append(amplitude[..., 0].astype(np.float32))
        parts["code"].append(_published_score(amplitude))
        with np.errstate(invalid="ignore"):
            ratios = snr_spectrum(amplitude, bins=own, exclude=[0, *bins])
        parts["snr"].append(np.nan_to_num(ratios, posinf=0).mean(axis=-1))
        total = total + amplitude.sum(axis=0)
    return {
        "filters": np.array(recorder.ch_names_),
        "terms": np.array([term.name for term in terms]),
        "frequencies": np.array([term.frequency for term in terms]),
        "spectrum": total / len(frames),
        **{name: np.concatenate(values) for name, values in parts.items()},
    }


def layer_of(filters):
    """Name the layer of every filter.

    Parameters
    ----------
    filters : sequence of str
        Names such as ``"relu_4/filter/012"``.

    Returns
    -------
    layers : array of str
        What stands before the first slash.

    Examples
    --------
    >>> layer_of(["relu_4/filter/012"]).tolist()
    ['relu_4']
    """
    return np.array([str(name).partition("/")[0] for name in filters])


def relative(values, layers):
    """Divide by the mean over the filters of the same layer.

    Parameters
    ----------
    values : array, shape (..., n_filters)
        Not negative.
    layers : array of str, shape (n_filters,)
        Layer of every filter.

    Returns
    -------
    ratios : array, shape (..., n_filters)
        1 is the layer's mean; 0 throughout a layer that is silent.

    Examples
    --------
    >>> relative(np.array([1.0, 3.0, 5.0]), np.array(["x", "x", "y"]))
    array([0.5, 1.5, 1. ])
    """
    ratios = np.zeros(np.shape(values))
    for layer in np.unique(layers):
        of_layer = layers == layer
        mean = values[..., of_layer].mean(axis=-1, keepdims=True)
        np.divide(
            values[..., of_layer],
            mean,
            out=(own := np.zeros_like(ratios[..., of_layer])),
            where=mean > 0,
        )
        ratios[..., of_layer] = own
    return ratios


def score(responses, noisy, rows=slice(None)):
    """Score every filter in the three ways.

    Parameters
    ----------
    responses, noisy : dict
        What `tag_network` returned without and with noise.
    rows : slice | array of int
        Which images to average over.

    Returns
    -------
    scores : dict of array, shape (n_filters,)
        ``a``: amplitude at both tags, relative to the layer's mean; ``b``: signal-to-noise ratio
        at both tags under pixel noise; ``c``: the published code's, without noise.

    Examples
    --------
    >>> one = {"filters": np.array(["x/filter/0", "x/filter/1"]), "terms": np.array(["f1", "f2"])}
    >>> one |= {"amplitudes": np.array([[[1.0, 1], [2, 4]]]), "code": np.ones((1, 2))}
    >>> score(one, {"snr": np.full((1, 2), 3.0)})["a"]
    array([0.5, 1.5])
    """
    own = np.isin(responses["terms"], ("f1", "f2"))
    amplitude = responses["amplitudes"][rows][..., own].sum(axis=-1).mean(axis=0)
    return {
        "a": relative(amplitude, layer_of(responses["filters"])),
        "b": noisy["snr"][rows].mean(axis=0),
        "c": responses["code"][rows].mean(axis=0),
    }


def sides(responses):
    """Tell which half every filter follows, and how much it mixes the two.

    Parameters
    ----------
    responses : dict
        What `tag_network` returned.

    Returns
    -------
    sides : dict of array, shape (n_filters,)
        ``balance``: (left - right) / (left + right) of the amplitudes at the two tags, from 1
        (left only) to -1; ``mixing``: root sum of squares of the intermodulation terms over that
        of the two tags. Zero where a filter is silent.

    Examples
    --------
    >>> one = {"terms": np.array(["f1", "f2", "f1+f2"]), "amplitudes": np.array([[[3.0, 1, 2]]])}
    >>> sides(one)["balance"]
    array([0.5])
    """
    names, amplitude = responses["terms"], responses["amplitudes"].mean(axis=0)
    left, right = amplitude[:, names == "f1"][:, 0], amplitude[:, names == "f2"][:, 0]
    mixed = np.array(["f1" in name and "f2" in name for name in names])
    mixing = np.sqrt((amplitude[:, mixed] ** 2).sum(axis=1))
    return {
        "balance": _share(left - right, left + right),
        "mixing": _share(mixing, np.hypot(left, right)),
    }


def _share(part, whole):
    """Divide where there is something to divide by."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _published_score(amplitude):
    """Average over all bins but 0 Hz of amplitude over three neighbours a side."""
    spectrum = amplitude[..., 1:].astype(float)
    ratios = snr_spectrum(spectrum, n_neighbors=3, n_skip=0)
    known = np.isfinite(ratios)
    count = np.maximum(known.sum(axis=-1), 1)
    return np.where(known, ratios, 0).sum(axis=-1) / count
