"""Flicker follows its formula pixel by pixel, and is computed on access."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone

from npa_ann import ContrastFlicker
from npa_ann.stimulation.flicker import Frames

FLOAT32 = 1e-6  # rounding of pixels in [0, 1]


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(3, 6, 8, 3))


def expected_gain(frequency, t, fps=120, depth=0.5, phase=0.0):
    return 1 - depth / 2 + depth / 2 * np.sin(2 * np.pi * frequency * t / fps + phase)


def test_halves_flicker_at_their_own_frequency(images):
    frames = ContrastFlicker((6.0, 7.5), phase=0.3).fit_transform(images)
    assert frames.shape == (3, 240, 6, 8, 3)
    assert (len(frames), frames.ndim, frames.sfreq) == (3, 5, 120.0)
    t = np.arange(240)
    for columns, frequency in ((slice(0, 4), 6.0), (slice(4, 8), 7.5)):
        gain = expected_gain(frequency, t, phase=0.3)[:, None, None, None]
        np.testing.assert_allclose(
            frames[1][:, :, columns], images[1, None, :, columns] * gain, atol=FLOAT32
        )


def test_quadrants_whole_and_masks(images):
    tags = (3.0, 4.0, 5.0, 6.0)
    frames = ContrastFlicker(tags, regions="quadrants").fit_transform(images)
    corners = {(0, 0): 3.0, (0, -1): 4.0, (-1, 0): 5.0, (-1, -1): 6.0}
    for (row, column), frequency in corners.items():
        pixel = frames[0][7, row, column] / images[0, row, column]
        np.testing.assert_allclose(pixel, expected_gain(frequency, 7), rtol=1e-5)
    whole = ContrastFlicker((6.0,), regions="whole").fit(images)
    assert whole.masks_.all()

    mask = np.zeros((1, 6, 8), bool)
    mask[0, 2, 3] = True
    frames = ContrastFlicker([6.0], regions=mask, depth=1.0).fit_transform(images)
    still = np.broadcast_to(images[:, None], frames.shape)
    np.testing.assert_allclose(frames[:][:, :, ~mask[0]], still[:, :, ~mask[0]], atol=FLOAT32)
    np.testing.assert_allclose(
        frames[0][:, 2, 3, 0],
        images[0, 2, 3, 0] * expected_gain(6.0, np.arange(240), depth=1.0),
        atol=FLOAT32,
    )


def test_spectrum_holds_the_tag_alone():
    frames = ContrastFlicker((6.0, 7.5)).fit_transform(np.ones((1, 2, 2, 1)))
    spectrum = np.abs(np.fft.rfft(frames[0][:, 0, 0, 0].astype(float))) / 240
    assert spectrum[12] == pytest.approx(0.125, rel=1e-6)  # 0.25 sin: half of it on each side
    spectrum[[0, 12]] = 0
    assert spectrum.max() < 1e-7


def test_frames_are_lazy_and_indexable(images):
    many = Frames(np.broadcast_to(images[:1], (10**9, 6, 8, 3)), np.ones((240, 6, 8, 1)), 120.0)
    assert many.shape == (10**9, 240, 6, 8, 3)
    assert many[5 * 10**8].shape == (240, 6, 8, 3)
    frames = ContrastFlicker().fit_transform(images)
    whole = np.asarray(frames)
    assert whole.dtype == frames.dtype == np.float32
    np.testing.assert_array_equal(frames[1:], whole[1:])
    np.testing.assert_array_equal(frames[[2, 0]], whole[[2, 0]])
    np.testing.assert_array_equal(frames[2, 10], whole[2, 10])
    np.testing.assert_array_equal(frames[:2, 5:9], whole[:2, 5:9])
    np.testing.assert_array_equal(np.stack(list(frames)), whole)
    with pytest.raises(IndexError):
        frames[3]


def test_images_are_left_alone_and_cloning_works(images):
    before = images.tobytes()
    flicker = clone(ContrastFlicker((5.0, 10.0), depth=0.9)).set_output(transform="pandas")
    flicker.fit_transform(images)[0]
    assert images.tobytes() == before
    assert flicker.get_feature_names_out(["a"]).tolist() == ["a"]


def test_tags_off_the_grid_warn(images):
    with pytest.warns(RuntimeWarning, match=r"frequencies \[7.3\] Hz are not multiples of 0.5 Hz"):
        ContrastFlicker((6.0, 7.3)).fit(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ContrastFlicker((6.0, 7.3), duration=10.0).fit(images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frequencies": (6.0,)}, "got 1 frequencies and 2 regions"),
        ({"frequencies": (6.0, 60.0)}, "frequencies must be a number > 0 and < 60"),
        ({"regions": "thirds"}, "regions must be one of"),
        ({"regions": np.ones((2, 5, 8), bool)}, r"shape \(n_regions, 6, 8\)"),
        ({"regions": np.ones((2, 6, 8), bool)}, "do not overlap"),
        ({"regions": np.zeros((2, 6, 8), bool)}, "not empty"),
        ({"depth": 1.5}, "depth must be"),
        ({"fps": 0}, "fps must be"),
        ({"duration": 2.001}, "whole number of frames"),
        ({"phase": np.nan}, "phase must be"),
    ],
)
def test_bad_parameters(change, message, images):
    with pytest.raises(ValueError, match=message):
        ContrastFlicker(**change).fit(images)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda x: 255 * x, r"pixels in \[0, 1\], got .* divide 8-bit images by 255"),
        (lambda x: x - 0.5, r"pixels in \[0, 1\]"),
        (lambda x: np.where(x > 0.9, np.nan, x), r"pixels in \[0, 1\], got nan"),
        (lambda x: x[0], r"shape \(n, H, W, C\), got \(6, 8, 3\)"),
        (lambda x: x[:0], r"shape \(n, H, W, C\)"),
        (lambda x: x.astype(str), "images of numbers"),
        (lambda x: x[:, :4], r"images of \(6, 8\) pixels as at fit, got \(4, 8\)"),
    ],
)
def test_bad_images(bad, message, images):
    flicker = ContrastFlicker().fit(images)
    with pytest.raises(ValueError, match=message):
        flicker.transform(bad(images))
