"""scikit-learn's own checks, for every estimator of ours, with what may fail and why."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

# Estimator to {check: reason, and the test that stands in}; at most 8 for each.
EXPECTED_FAILURES = {}
_MOST = 8
_NEVER = ("clone", "param", "idempotent", "pickle", "refit", "overwrite", "n_features", "names")


def scikit_learn_checks(*estimators, ignore=()):
    """Parametrize ``test(estimator, check)`` with scikit-learn's checks.

    Their samples are few, so warnings whose message begins with one of ``ignore`` are no errors.
    """
    marks = [pytest.mark.filterwarnings(f"ignore:{message}") for message in ignore]
    checks = parametrize_with_checks(
        list(estimators), expected_failed_checks=_expected_failures, xfail_strict=True
    )

    def decorate(test):
        for mark in [*marks, checks]:
            test = mark(test)
        return test

    return decorate


def _expected_failures(estimator):
    """Return the failures listed for an estimator, after a look at the list itself."""
    listed = EXPECTED_FAILURES.get(type(estimator).__name__, {})
    assert len(listed) <= _MOST
    assert all(listed.values()), "every expected failure has a reason"
    assert not [check for check in listed if any(word in check for word in _NEVER)]
    return listed
