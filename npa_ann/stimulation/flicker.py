"""Images whose regions flicker at different frequencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from mne.utils import warn
from sklearn.utils.validation import check_is_fitted

from npa.checks import check_array_like, check_number
from npa.estimators.base import ContainerTransformer
from npa.typing import AnyArray, BoolArray

_NAMED_REGIONS = ("whole", "halves", "quadrants")


class ContrastFlicker(ContainerTransformer):
    r"""Frequency-tag regions of images by contrast flicker.

    Parameters
    ----------
    frequencies : sequence of float
        Flicker frequency of each region in Hz, above 0 and below ``fps / 2``. Default (6, 7.5).
    regions : "halves" | "quadrants" | "whole" | array of bool, shape (n_regions, H, W)
        Left and right half (default); quadrants (upper left, upper right, lower left, lower
        right); the whole image; or masks that do not overlap. One region per frequency. Pixels
        outside all masks do not flicker.
    fps : float
        Frames per second. Default 120.
    duration : float
        Duration in seconds; ``fps * duration`` must be a whole number of frames. Default 2.
    depth : float
        Modulation depth, above 0 and up to 1: with 0.5 (default), contrast varies from 0.5 to 1.
    phase : float
        Phase of all regions at the first frame, in radians. Default 0.

    Attributes
    ----------
    masks_ : array of bool, shape (n_regions, H, W)
        The regions.
    gains_ : array, shape (n_regions, n_frames)
        Factor of each region's pixels in each frame.
    sfreq_ : float
        Frames per second.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, pixels are outside [0, 1], or the regions do not match
        the frequencies or the images.

    Notes
    -----
    Pixels of region r in frame t are multiplied by

    .. math:: 1 - d/2 + (d/2) \sin(2 \pi f_r t / \mathrm{fps} + \varphi),

    the same for all colours [1]_. A warning is issued for frequencies that do not complete a
    whole number of cycles: their power leaks into neighbouring frequencies.

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
        frequencies: Sequence[float] = (6.0, 7.5),
        regions: str | BoolArray = "halves",
        fps: float = 120,
        duration: float = 2.0,
        depth: float = 0.5,
        phase: float = 0.0,
    ) -> None:
        self.frequencies = frequencies
        self.regions = regions
        self.fps = fps
        self.duration = duration
        self.depth = depth
        self.phase = phase

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Compute the regions for images of this size, and the flicker.

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
            raise ValueError(f"frequencies must all differ, got {frequencies}.")
        masks = _masks(self.regions, *X.shape[1:3])
        if len(masks) != len(frequencies):
            raise ValueError(
                "each frequency must have one region, got "
                f"{len(frequencies)} frequencies and {len(masks)} regions."
            )
        _warn_of_leakage(frequencies, fps, n_frames)
        angle = 2 * np.pi * np.outer(frequencies, np.arange(n_frames)) / fps + phase
        self.masks_ = masks
        self.gains_ = 1 - depth / 2 + depth / 2 * np.sin(angle)
        self.sfreq_ = fps
        return self

    def transform(self, X: npt.ArrayLike) -> "Frames":
        """Make images flicker.

        Parameters
        ----------
        X : array, shape (n, H, W, C)
            Images in [0, 1], of the same size as in ``fit``. They are not changed.

        Returns
        -------
        frames : Frames
            Frames of shape ``(n, time, H, W, C)``, computed on access.
        """
        check_is_fitted(self)
        X = _check_images(X)
        if X.shape[1:3] != self.masks_.shape[1:]:
            raise ValueError(
                f"X must contain images of {self.masks_.shape[1:]} pixels as at fit, "
                f"got {X.shape[1:3]}."
            )
        constant = ~self.masks_.any(axis=0)
        gain = np.tensordot(self.gains_.T, self.masks_.astype(float), 1) + constant
        return Frames(X, gain[..., np.newaxis].astype(np.float32), self.sfreq_)


@dataclass(frozen=True, eq=False)
class Frames:
    """Flickering images, computed on access.

    Parameters
    ----------
    images : array, shape (n, H, W, C)
        The images.
    gain : array, shape (time, H, W, 1)
        Factor of each pixel in each frame.
    sfreq : float
        Frames per second.

    Notes
    -----
    ``frames[3]``, ``frames[:10]`` and ``frames[[1, 4]]`` are float32 arrays of the frames of those
    images; ``frames[3, 10]`` is one frame of one image. ``np.asarray(frames)`` computes them all.

    Examples
    --------
    >>> frames = Frames(np.ones((2, 4, 4, 1)), np.zeros((5, 4, 4, 1)), sfreq=5.0)
    >>> len(frames), frames[0].shape
    (2, (5, 4, 4, 1))
    """

    images: AnyArray
    gain: AnyArray
    sfreq: float

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, frames, rows, columns and colours."""
        return (len(self.images), len(self.gain), *self.images.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions, 5."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> npt.NDArray[np.float32]:
        which, *rest = index if isinstance(index, tuple) else (index,)
        if which is Ellipsis:
            which, rest = slice(None), [Ellipsis, *rest]
        images = np.asarray(self.images[which], np.float32)
        frames = images[..., np.newaxis, :, :, :] * self.gain
        within = (slice(None),) * (images.ndim - 3)
        return frames[(*within, *rest)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        if copy is False:
            raise ValueError("frames are computed on access: copy=False is not possible.")
        return self[:].astype(dtype or self.dtype, copy=False)


def _check_images(X: npt.ArrayLike) -> AnyArray:
    """Return images as an array after checking their shape, type and range."""
    check_array_like("X", X, containers=False)
    X = np.asarray(X)
    if X.ndim != 4 or 0 in X.shape:
        raise ValueError(f"X must be images of shape (n, H, W, C), got {X.shape}.")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X must be images of numbers, got dtype {X.dtype}.")
    low, high = X.min(), X.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"X must contain pixels in [0, 1], got {low:g} to {high:g}; divide 8-bit images by 255."
        )
    return X


def _count_frames(fps: float, duration: float) -> int:
    """Return the number of frames, which must be whole."""
    n_frames = round(fps * duration)
    if n_frames < 1 or not np.isclose(fps * duration, n_frames, rtol=1e-9):
        raise ValueError(
            f"duration must be a whole number of frames at {fps:g} fps, got {duration:g} s "
            f"({fps * duration:g} frames)."
        )
    return n_frames


def _masks(regions: str | BoolArray, height: int, width: int) -> BoolArray:
    """Return boolean masks (n_regions, H, W)."""
    if isinstance(regions, str):
        if regions not in _NAMED_REGIONS:
            raise ValueError(f"regions must be one of {_NAMED_REGIONS} or masks, got {regions!r}.")
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
            f"regions must be one of {_NAMED_REGIONS} or an array of bool, "
            f"shape (n_regions, {height}, {width}), got {masks.dtype}, shape {masks.shape}."
        )
    if not masks.any(axis=(1, 2)).all() or masks.sum(axis=0).max() > 1:
        raise ValueError("regions must be masks that are not empty and do not overlap.")
    return masks


def _warn_of_leakage(frequencies: Sequence[float], fps: float, n_frames: int) -> None:
    """Warn of frequencies that are not those of a Fourier bin."""
    cycles = np.asarray(frequencies) * n_frames / fps
    off = [
        f for f, count in zip(frequencies, cycles, strict=True) if abs(count - round(count)) > 1e-6
    ]
    if off:
        warn(
            f"frequencies {off} Hz are not multiples of {fps / n_frames:g} Hz, the resolution of "
            f"{n_frames} frames at {fps:g} fps: their power leaks into neighbouring frequencies."
        )
