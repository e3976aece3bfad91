"""Images whose regions flicker, each at its own frequency."""

from dataclasses import dataclass

import numpy as np
from mne.utils import warn
from sklearn.utils.validation import check_is_fitted

from npa.checks import check_number
from npa.estimators.base import ContainerTransformer

_NAMED = ("whole", "halves", "quadrants")


class ContrastFlicker(ContainerTransformer):
    r"""Tag the regions of images by flicker, so that a network's units can be traced to them.

    Parameters
    ----------
    frequencies : sequence of float
        Flicker of each region in Hz, above 0 and below ``fps / 2``.
    regions : "halves" | "quadrants" | "whole" | array of bool, shape (n_regions, H, W)
        Left and right half; quadrants (upper left, upper right, lower left, lower right); the
        whole image; or masks that do not overlap. As many as frequencies. Pixels outside all
        masks do not flicker.
    fps : float
        Frames a second.
    duration : float
        Length in seconds; ``fps * duration`` must be a whole number of frames.
    depth : float
        Depth of the modulation, above 0 and up to 1: at 0.5 contrast runs from 0.5 to 1.
    phase : float
        Phase of all regions at the first frame, in radians.

    Attributes
    ----------
    masks_ : array of bool, shape (n_regions, H, W)
        The regions.
    gains_ : array, shape (n_regions, n_frames)
        What each region's pixels are multiplied by.

    Raises
    ------
    ValueError
        If pixels lie outside [0, 1], or regions do not fit frequencies or images.

    Notes
    -----
    Pixels of region r in frame t are multiplied by

    .. math:: 1 - d/2 + (d/2) \sin(2 \pi f_r t / \mathrm{fps} + \varphi),

    all colours alike [1]_. A tag that makes no whole number of cycles leaks into neighbouring
    frequencies; a warning says so.

    References
    ----------
    .. [1] Böge, Gunindi, Aptoula, Alp & Ozkan (2024). Adapting the biological SSVEP response to
       artificial neural networks. https://doi.org/10.48550/arXiv.2411.10084

    Examples
    --------
    >>> frames = ContrastFlicker(frequencies=(6.0, 7.5)).fit_transform(np.ones((2, 4, 4, 3)))
    >>> frames.shape, frames.sfreq
    ((2, 240, 4, 4, 3), 120.0)
    >>> frames[0].min().round(2), frames[0].max().round(2)
    (np.float32(0.5), np.float32(1.0))
    """

    def __init__(
        self,
        frequencies=(6.0, 7.5),
        regions="halves",
        fps=120,
        duration=2.0,
        depth=0.5,
        phase=0.0,
    ):
        self.frequencies = frequencies
        self.regions = regions
        self.fps = fps
        self.duration = duration
        self.depth = depth
        self.phase = phase

    def fit(self, X, y=None):
        """Lay out regions and flicker for images of this size.

        Parameters
        ----------
        X : array, shape (n, H, W, C)
            Images in [0, 1].
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        X = _check_images(X)
        fps = check_number("fps", self.fps, above=0)
        depth = check_number("depth", self.depth, above=0, high=1)
        phase = check_number("phase", self.phase)
        frequencies = np.atleast_1d(self.frequencies).tolist()
        for frequency in frequencies:
            check_number("frequencies", frequency, above=0, below=fps / 2)
        n_frames = _count_frames(fps, check_number("duration", self.duration, above=0))
        if len(set(frequencies)) < len(frequencies):
            raise ValueError(f"frequencies must differ to be told apart, got {frequencies}.")
        masks = _masks(self.regions, *X.shape[1:3])
        if len(masks) != len(frequencies):
            raise ValueError(
                f"frequencies and regions must be as many, got {len(frequencies)} frequencies "
                f"and {len(masks)} regions."
            )
        _warn_off_grid(frequencies, fps, n_frames)
        angle = 2 * np.pi * np.outer(frequencies, np.arange(n_frames)) / fps + phase
        self.masks_ = masks
        self.gains_ = 1 - depth / 2 + depth / 2 * np.sin(angle)
        self.sfreq_ = fps
        return self

    def transform(self, X):
        """Let images flicker.

        Parameters
        ----------
        X : array, shape (n, H, W, C)
            Images in [0, 1], of the size of the fit. They are not changed.

        Returns
        -------
        frames : Frames
            Frames of shape ``(n, time, H, W, C)``, made when they are asked for.
        """
        check_is_fitted(self)
        X = _check_images(X)
        if X.shape[1:3] != self.masks_.shape[1:]:
            raise ValueError(
                f"X must hold images of {self.masks_.shape[1:]} pixels as at fit, "
                f"got {X.shape[1:3]}."
            )
        still = ~self.masks_.any(axis=0)
        gain = np.tensordot(self.gains_.T, self.masks_.astype(float), 1) + still
        return Frames(X, gain[..., np.newaxis].astype(np.float32), self.sfreq_)


@dataclass(frozen=True, eq=False)
class Frames:
    """Flickering images that take no memory until they are looked at.

    Parameters
    ----------
    images : array, shape (n, H, W, C)
        The images.
    gain : array, shape (time, H, W, 1)
        What each pixel is multiplied by in each frame.
    sfreq : float
        Frames a second.

    Notes
    -----
    ``frames[3]``, ``frames[:10]`` and ``frames[[1, 4]]`` are float32 arrays of the frames of those
    images; ``frames[3, 10]`` is one frame of one image. ``np.asarray(frames)`` makes them all.

    Examples
    --------
    >>> frames = Frames(np.ones((2, 4, 4, 1)), np.zeros((5, 4, 4, 1)), sfreq=5.0)
    >>> len(frames), frames[0].shape
    (2, (5, 4, 4, 1))
    """

    images: np.ndarray
    gain: np.ndarray
    sfreq: float

    dtype = np.dtype(np.float32)

    @property
    def shape(self):
        """Number of images, frames, rows, columns and colours."""
        return (len(self.images), len(self.gain), *self.images.shape[1:])

    @property
    def ndim(self):
        """Always five."""
        return len(self.shape)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        which, *rest = index if isinstance(index, tuple) else (index,)
        if which is Ellipsis:
            which, rest = slice(None), [Ellipsis, *rest]
        images = np.asarray(self.images[which], np.float32)
        frames = images[..., np.newaxis, :, :, :] * self.gain
        within = (slice(None),) * (images.ndim - 3)
        return frames[(*within, *rest)]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("frames are made when they are asked for: they need a copy.")
        return self[:].astype(dtype or self.dtype, copy=False)


def _check_images(X):
    """Return images as an array, or say what images must be."""
    X = np.asarray(X)
    if X.ndim != 4 or 0 in X.shape:
        raise ValueError(f"X must be images of shape (n, H, W, C), got {X.shape}.")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X must be images of numbers, got dtype {X.dtype}.")
    low, high = X.min(), X.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"X must hold pixels in [0, 1], got {low:g} to {high:g}; divide 8-bit images by 255."
        )
    return X


def _count_frames(fps, duration):
    """Return the number of frames, which must be whole."""
    n_frames = round(fps * duration)
    if n_frames < 1 or not np.isclose(fps * duration, n_frames, rtol=1e-9):
        raise ValueError(
            f"duration must make a whole number of frames at {fps:g} fps, got {duration:g} s "
            f"({fps * duration:g} frames)."
        )
    return n_frames


def _masks(regions, height, width):
    """Return boolean masks (n_regions, H, W)."""
    if isinstance(regions, str):
        if regions not in _NAMED:
            raise ValueError(f"regions must be one of {_NAMED} or masks, got {regions!r}.")
        rows, columns = np.arange(height) < height // 2, np.arange(width) < width // 2
        top, left = np.broadcast_arrays(rows[:, np.newaxis], columns)
        return {
            "whole": lambda: np.ones((1, height, width), bool),
            "halves": lambda: np.stack([left, ~left]),
            "quadrants": lambda: np.stack([top & left, top & ~left, ~top & left, ~top & ~left]),
        }[regions]()
    masks = np.asarray(regions)
    if masks.dtype != bool or masks.shape[1:] != (height, width):
        raise ValueError(
            f"regions must be {_NAMED} or an array of bool, shape (n_regions, {height}, {width}), "
            f"got dtype {masks.dtype} and shape {masks.shape}."
        )
    if not masks.any(axis=(1, 2)).all() or masks.sum(axis=0).max() > 1:
        raise ValueError("regions must be masks that are not empty and do not overlap.")
    return masks


def _warn_off_grid(frequencies, fps, n_frames):
    """Warn of tags that do not fall on a frequency of the Fourier transform."""
    cycles = np.asarray(frequencies) * n_frames / fps
    off = [
        f for f, count in zip(frequencies, cycles, strict=True) if abs(count - round(count)) > 1e-6
    ]
    if off:
        warn(
            f"frequencies {off} Hz are not multiples of {fps / n_frames:g} Hz, the resolution of "
            f"{n_frames} frames at {fps:g} fps: their power leaks into neighbouring frequencies."
        )
