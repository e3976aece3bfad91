"""What recording costs beside running the network, in the same process and alternating.

1. All six gates of the study's LSTM (60 units) for 512 reviews of 500 steps through
   ``ActivationRecorder.iter_record``, beside ``model.predict`` on the same reviews, and beside
   NumPy going through one review at a time (timed on a few, scaled up).
2. Every convolution and activation of a ResNet-32 on flickering images, beside ``model.predict``
   on the same frames.
3. Peak memory of ``iter_record`` over 1,000 and over 10,000 reviews, each in a process of its own.

Run ``python benchmarks/recording.py [--rounds N]``.
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np

from npa_ann import ActivationRecorder, ContrastFlicker
from npa_ann.networks import resnet, sentiment_lstm

GATES = ("f", "i", "cc", "o", "c_out", "h")


def clock(job):
    """Return how many seconds a job takes."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def exhaust(batches):
    """Go through all batches, keeping none."""
    for _ in batches:
        pass


def one_by_one(weights, reviews):
    """Compute gates review by review, step by step."""
    kernel, recurrent, bias = weights
    units = len(recurrent)
    for review in reviews:
        h, c = np.zeros(units, np.float32), np.zeros(units, np.float32)
        gates = np.empty((len(GATES), len(review), units), np.float32)
        for t, x in enumerate(review):
            i, f, cc, o = (x @ kernel + h @ recurrent + bias).reshape(4, units)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            cc = np.tanh(cc)
            c = f * c + i * cc
            c_out = np.tanh(c)
            h = o * c_out
            gates[:, t] = f, i, cc, o, c_out, h


def compare(title, jobs, rounds):
    """Time jobs in turn; print medians, and ratios to the first, round by round."""
    for job in jobs.values():
        job()
    seconds = np.array([[clock(job) for job in jobs.values()] for _ in range(rounds)])
    print(title)
    for name, own in zip(jobs, seconds.T, strict=True):
        ratios = own / seconds[:, 0]
        print(
            f"  {name:34} {np.median(own):7.2f} s   x {np.median(ratios):6.2f} of "
            f"{next(iter(jobs))} ({ratios.min():.2f} to {ratios.max():.2f})",
            flush=True,
        )
    return seconds


def reading(rounds, n_alone=8):
    """Record the LSTM."""
    model = sentiment_lstm()
    reviews = np.random.default_rng(0).integers(2, 4002, (512, 500))
    recorder = ActivationRecorder(model, "lstm", GATES).fit(reviews)
    embedded = np.asarray(model.get_layer("embedding")(reviews[:n_alone]))
    weights = model.get_layer("lstm").get_weights()
    seconds = compare(
        "LSTM, 512 reviews of 500 steps, six gates of 60 units",
        {
            "predict": lambda: model.predict(reviews, batch_size=128, verbose=0),
            "iter_record": lambda: exhaust(recorder.iter_record(reviews)),
            f"NumPy, {n_alone} reviews one by one": lambda: one_by_one(weights, embedded),
            "transform (to EpochsArray)": lambda: recorder.transform(reviews),
        },
        rounds,
    )
    alone = seconds[:, 2] * len(reviews) / n_alone
    print(f"  one by one / iter_record, scaled to 512: {np.median(alone / seconds[:, 1]):.1f}")


def looking(rounds, n_images=4):
    """Record the ResNet."""
    model = resnet(32)
    images = np.random.default_rng(0).uniform(size=(n_images, 32, 32, 3))
    frames = ContrastFlicker().fit_transform(images)
    recorder = ActivationRecorder(model, ["conv_*", "relu_*"]).fit(frames)
    compare(
        f"ResNet-32, {n_images} images of 240 frames, all convolutions and activations",
        {
            "predict": lambda: model.predict(
                np.concatenate(list(frames)), batch_size=128, verbose=0
            ),
            "iter_record": lambda: exhaust(recorder.iter_record(frames)),
        },
        rounds,
    )


def peak_memory(n_reviews):
    """Return the largest memory of this process in MB after recording reviews."""
    reviews = np.random.default_rng(0).integers(2, 4002, (10_000, 500))[:n_reviews]
    recorder = ActivationRecorder(sentiment_lstm(), "lstm", GATES).fit(reviews)
    exhaust(recorder.iter_record(reviews))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def remembering():
    """Compare peak memory over few and over many reviews."""
    print("iter_record, peak memory of the process")
    for n_reviews in (1_000, 10_000):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(f"  {n_reviews:6} reviews: {pool.apply(peak_memory, (n_reviews,)):.0f} MB")


def main():
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    reading(rounds)
    looking(rounds)
    remembering()


if __name__ == "__main__":
    main()
