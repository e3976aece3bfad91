"""What recording costs beside running the network, in the same process and alternating.

1. All six gates of the study's LSTM (60 units) for 512 reviews of 500 steps through
   ``ActivationRecorder.iter_record``, beside ``model.predict`` on the same reviews, and beside
   NumPy going through one review at a time (timed on a few, scaled up). Both ways take 256
   reviews at a time: on two cores, each then has 128.
2. Every convolution and activation of a ResNet-32 on flickering images, beside ``model.predict``
   on the same frames.
3. Time and peak memory of ``iter_record`` over 100 to 10,000 reviews, each in a fresh process.

Run ``python -m benchmarks.recording [--quick]``.
"""

import numpy as np

from benchmarks.timing import clock, grow, in_turn, medians, print_run, ratio_of
from npa_ann import ActivationRecorder, ContrastFlicker
from npa_ann.networks import resnet, sentiment_lstm

GATES = ("f", "i", "cc", "o", "c_out", "h")


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
        yield gates


def read(n_reviews, rounds, n_alone):
    """Record the LSTM; return seconds of each way, and how far the gates are apart."""
    model = sentiment_lstm()
    reviews = np.random.default_rng(0).integers(2, 4002, (n_reviews, 500))
    recorder = ActivationRecorder(model, "lstm", GATES, batch_size=256).fit(reviews)
    embedded = np.asarray(model.get_layer("embedding")(reviews[:n_alone]))
    weights = model.get_layer("lstm").get_weights()
    jobs = {
        "iter_record": lambda: exhaust(recorder.iter_record(reviews)),
        "predict": lambda: model.predict(reviews, batch_size=256, verbose=0),
        "one by one": lambda: exhaust(one_by_one(weights, embedded)),
        "transform": lambda: recorder.transform(reviews),
    }
    in_turn(jobs, 2)
    times, _, answers = in_turn(jobs, rounds)
    times["one by one"] = times["one by one"] * n_reviews / n_alone
    alone = np.stack(list(one_by_one(weights, embedded))).transpose(0, 1, 3, 2)
    recorded = answers["transform"].get_data(copy=False)[:n_alone].reshape(alone.shape)
    return times, float(np.abs(recorded - alone).max())


def look(n_images, rounds):
    """Record the ResNet; return seconds of each way."""
    model = resnet(32)
    images = np.random.default_rng(0).uniform(size=(n_images, 32, 32, 3))
    frames = ContrastFlicker().fit_transform(images)
    recorder = ActivationRecorder(model, ["conv_*", "relu_*"]).fit(frames)
    jobs = {
        "iter_record": lambda: exhaust(recorder.iter_record(frames)),
        "predict": lambda: model.predict(np.concatenate(list(frames)), batch_size=128, verbose=0),
    }
    in_turn(jobs, 1)
    return in_turn(jobs, rounds)[0]


def growth(work):
    """Record a hundred reviews as often."""
    reviews = np.random.default_rng(0).integers(2, 4002, (100 * work, 500))
    recorder = ActivationRecorder(sentiment_lstm(), "lstm", GATES).fit(reviews)
    seconds, _ = clock(exhaust, recorder.iter_record(reviews))
    return {"seconds": seconds, "reviews": len(reviews)}


def run(quick=False):
    """Measure all three."""
    n_reviews, rounds = (128, 2) if quick else (512, 3)
    grown = grow(growth, (1, 10) if quick else (1, 10, 100))
    times, off = read(n_reviews, rounds, n_alone=8)
    looking = look(1 if quick else 4, rounds)
    return {
        "claim": f"six gates of an LSTM recorded for {n_reviews} reviews of 500 words, beside "
        "NumPy going through one review at a time",
        "ratio": ratio_of(times["one by one"], times["iter_record"]),
        "answers": {
            "gates off, at most": off,
            "median seconds": medians(times),
            "iter_record over predict": ratio_of(times["iter_record"], times["predict"]),
            "ResNet-32, iter_record over predict": ratio_of(
                looking["iter_record"], looking["predict"]
            ),
        },
        "growth": grown,
    }


if __name__ == "__main__":
    print_run(run)
