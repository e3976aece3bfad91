"""User-input checks say what is wrong and what is allowed."""

import numpy as np
import pytest

from npa.checks import (
    check_bytes,
    check_finite,
    check_number,
    check_option,
    check_range,
    finite_rows,
)


def test_number_comes_back_as_built_in():
    assert check_number("n", np.int64(3), low=0, integer=True) == 3
    assert isinstance(check_number("x", np.float32(0.5)), float)


@pytest.mark.parametrize(
    ("value", "kwargs", "error", "message"),
    [
        ("1", {}, TypeError, r"x must be a number, got '1' \(str\)"),
        (True, {}, TypeError, "x must be a number, got True"),
        (1.5, {"integer": True}, TypeError, "x must be a whole number"),
        (np.nan, {}, ValueError, "x must be a finite number, got nan"),
        (0.0, {"above": 0}, ValueError, "x must be a number > 0, got 0.0"),
        (2, {"low": 0, "high": 1}, ValueError, "x must be a number >= 0 and <= 1, got 2"),
        (1, {"below": 1}, ValueError, "x must be a number < 1, got 1"),
    ],
)
def test_number_refused(value, kwargs, error, message):
    with pytest.raises(error, match=message):
        check_number("x", value, **kwargs)


def test_option_lists_what_is_allowed():
    assert check_option("aggregate", None, (None, "mean")) is None
    with pytest.raises(ValueError, match=r"psd must be one of \['a', 'b'\], got 'c'"):
        check_option("psd", "c", ("a", "b"))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (3, TypeError, r"band must be a pair \(low, high\), got 3"),
        ((1, 2, 3), TypeError, "band must be a pair"),
        ((5, 5), ValueError, r"band must be a pair .* with low < high, got \(5, 5\)"),
        ((1, 200), ValueError, r"band\[1\] must be a number >= 0 and <= 100, got 200"),
    ],
)
def test_range_refused(value, error, message):
    with pytest.raises(error, match=message):
        check_range("band", value, high=100)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_finite_names_the_channel(value):
    data = np.zeros((2, 3, 10))
    data[1, 2, 4] = value
    with pytest.raises(ValueError, match=r"X contains NaN or inf in channel\(s\) Oz;"):
        check_finite("X", data, ["Fz", "Cz", "Oz"])


def test_finite_but_huge_samples_pass():
    check_finite("X", np.full((1, 1, 10), 1e308))


def test_rows_are_finite_one_by_one():
    data = np.full((2, 2, 5), 1e308)  # whose sums are not
    data[0, 1, 2] = np.nan
    data[1, 0, 4] = -np.inf
    np.testing.assert_array_equal(finite_rows(data), [[True, False], [False, True]])


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [("1.5 GB", 1.5e9), ("500mb", 5e8), ("3kB", 3e3), ("7", 7), (2e6, 2e6), (None, np.inf)],
)
def test_sizes_are_read(size, n_bytes):
    assert check_bytes("max_memory", size) == n_bytes


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        ("plenty", ValueError, "max_memory must be like '500MB' or '2GB', got 'plenty'"),
        ("1.2.3GB", ValueError, "must be like"),
        ("0GB", ValueError, "max_memory must be a number > 0"),
        ([1], TypeError, "max_memory must be a number"),
    ],
)
def test_sizes_refused(size, error, message):
    with pytest.raises(error, match=message):
        check_bytes("max_memory", size)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [(np.int64(1), (None, 0, 1)), (np.True_, (False, True)), (np.str_("a"), ("a", "b"))],
)
def test_numpy_scalars_are_options(value, allowed):
    assert check_option("x", value, allowed) is value


def test_arrays_are_no_options():
    for value in (np.array([1, 1]), np.array(1.5)):
        with pytest.raises(ValueError, match="x must be one of"):
            check_option("x", value, (0, 1))
