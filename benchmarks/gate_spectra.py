"""Spectra of an LSTM's gates as they stream, beside recording them as epochs first.

The study's network, 500 words a review, six gates of 60 cells, power summed over cells. The peer
is ``ActivationRecorder.transform`` and then ``mne.time_frequency.psd_array_welch`` with one boxcar
window, on reviews few enough for memory. Run ``python -m benchmarks.gate_spectra [--quick]``.
"""

import numpy as np
from mne.time_frequency import psd_array_welch

from benchmarks.timing import clock, grow, in_turn, medians, peak_mb, print_run, ratio_of
from npa_ann import ActivationRecorder
from npa_ann.networks import sentiment_lstm
from npa_ann.recording.spectra import psd_in_batches

GATES = ("f", "i", "cc", "o", "c_out", "h")
WORDS, CELLS, REVIEWS, BATCH = 500, 60, 15_000, 16


def opened(n_reviews):
    """Return a recorder and reviews for it."""
    reviews = np.random.default_rng(0).integers(2, 4002, (n_reviews, WORDS), dtype=np.int32)
    recorder = ActivationRecorder(sentiment_lstm(), "lstm", GATES, batch_size=BATCH)
    return recorder.fit(reviews), reviews


def recorded_first(recorder, reviews):
    """Return the same spectra by way of epochs."""
    epochs = recorder.transform(reviews)
    power, freqs = psd_array_welch(
        epochs.get_data(copy=False), 1.0, n_fft=WORDS, window="boxcar", verbose="error"
    )
    power = power.reshape(len(reviews), len(GATES), CELLS, -1).sum(axis=2)
    return freqs, {f"lstm/{gate}": power[:, number] for number, gate in enumerate(GATES)}


def growth(work):
    """Stream a hundredth of the reviews as often."""
    recorder, reviews = opened(work * REVIEWS // 100)
    before = peak_mb()
    seconds, (_, summed) = clock(psd_in_batches, recorder, reviews)
    kept = sum(power.nbytes for power in summed.values()) / 2**20
    return {
        "seconds": seconds,
        "reviews": len(reviews),
        "mb before": before,
        "mb of spectra": kept,
        "mb as epochs": len(reviews) * len(GATES) * CELLS * WORDS * 8 / 2**20,
    }


def run(quick=False):
    """Measure all of it."""
    grown = grow(growth, (1, 10) if quick else (1, 10, 100))
    recorder, reviews = opened(128)
    jobs = {
        "ours": lambda: psd_in_batches(recorder, reviews),
        "peer": lambda: recorded_first(recorder, reviews),
        "recording alone": lambda: [len(batch) for batch in recorder.iter_record(reviews)],
    }
    jobs["ours"]()  # TensorFlow compiles at its first call
    times, processor, answers = in_turn(jobs, rounds=3 if quick else 5)
    (freqs, ours), (their_freqs, theirs) = answers["ours"], answers["peer"]
    off = max(np.abs(ours[name] / theirs[name] - 1)[:, 1:].max() for name in ours)
    return {
        "claim": "spectra of six gates of 60 cells reduced as they stream, beside epochs first "
        "(128 reviews of 500 words, batches of 16); 15,000 reviews in under 1 GB",
        "ratio": ratio_of(times["peer"], times["ours"]),
        "answers": {
            "median seconds": medians(times),
            "median seconds of processor": medians(processor),
            "same frequencies": bool(np.allclose(freqs, their_freqs)),
            "power off, relative, at most": float(off),
            "peak memory in MB, most reviews": grown[-1]["peak_mb"],
        },
        "growth": grown,
    }


if __name__ == "__main__":
    print_run(run)
