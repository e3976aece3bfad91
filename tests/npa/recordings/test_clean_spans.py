"""Band-passed clean spans are those of a filter over the whole recording."""

import numpy as np
import scipy

from npa.recordings import clean_spans
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.containers import read_signals

SFREQ = 100.0


def test_blocks_give_what_the_whole_gives(monkeypatch):
    """Their overlap lets the filter settle; both ends are padded by 3 periods of its low edge."""
    low, high = 2.0, 10.0
    x = np.random.default_rng(0).normal(size=(1, 2, 40_000)).cumsum(axis=-1)
    spans = CleanSpans(read_signals(x, sfreq=SFREQ), SFREQ)
    sos = scipy.signal.butter(4, (low, high), "bandpass", fs=SFREQ, output="sos")
    expected = scipy.signal.sosfiltfilt(sos, x[0], padlen=round(3 / low * SFREQ))
    for block_samples in (clean_spans.BLOCK_SAMPLES, 2**10):
        monkeypatch.setattr(clean_spans, "BLOCK_SAMPLES", block_samples)
        found = spans.filter(x, low, high)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * expected.std())
