# %%
"""
A network that reads, read like a brain
=======================================

The power spectrum of the resting brain falls with frequency, roughly as 1/f. Does that of a
recurrent network that reads English? Chong and Feng (`arXiv:2301.08530
<https://doi.org/10.48550/arXiv.2301.08530>`_) said yes. A network of the same kind comes with this
project. We let it read, record its gates like the channels of an EEG, and fit a line to their
spectra. Nothing is downloaded: the English is the documentation that comes with every Python.
"""

import pydoc_data.topics

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from npa.datasets.bundled import bundled_data
from npa.estimators.exponent import PSDExponent
from npa_ann import ActivationRecorder
from npa_ann.corpora import encode, tokenize
from npa_ann.networks import pretrained, sentiment_lstm
from npa_ann.networks.cards import read_card

# %%
# The network
# -----------
# It was trained to tell from a film review whether the writer liked the film. Its card says how
# well it does, and on what it was trained; it knows 4,000 words.

folder = bundled_data() / "weights"
card = read_card(folder, "sentiment_lstm")
words = (folder / "sentiment_lstm_words.txt").read_text(encoding="utf-8").splitlines()
model = pretrained("sentiment_lstm_1")
scores = card["networks"][0]["chosen_by_validation"]["test"]
print(f"{len(words)} words; {100 * scores['accuracy']:.1f} % of unseen film reviews judged right")

# %%
# Something to read
# -----------------
# Python's manual of its own syntax, cut into forty pieces of 500 words. A word that the network
# does not know is the word number 1.

text = " ".join(pydoc_data.topics.topics.values())
manual = tokenize("".join(c if c.isalpha() or c.isspace() else " " for c in text))
pieces = [" ".join(manual[start : start + 500]) for start in range(0, 20_000, 500)]
tokens, _ = encode(pieces, ["", "[UNK]", *words])
print(f"{len(tokens)} pieces; {100 * (tokens > 1).mean():.0f} % of their words are known")

# %%
# Record
# ------
# The forget gate f, the input gate i, the candidate cc, the output gate o, the squashed cell c_out
# and the output h, 60 units each: 360 channels, one sample a word. What comes out is an ordinary
# MNE ``EpochsArray``.

signals = ("f", "i", "cc", "o", "c_out", "h")
recorder = ActivationRecorder(model, "lstm", signals=("input", *signals))
epochs = recorder.fit_transform(tokens)
print(epochs)

# %%
# Ten units of h while reading the first 200 words. They wander: what they are now they still are
# ten words later.

h = epochs.copy().pick([name for name in epochs.ch_names if "/h/" in name])
figure, ax = plt.subplots(layout="constrained")
ax.plot(h.get_data()[0, :10, :200].T + np.arange(10), color="tab:blue", lw=0.8)
ax.set(xlabel="Word", ylabel="Units of h (shifted by 1)")

# %%
# One slope a signal
# ------------------
# The paper's measure: the power of every unit without window or detrending, summed over the units
# of a signal, and a straight line through all frequencies but 0 in double-logarithmic axes. One
# estimator reads recorder and EEG alike.

measure = PSDExponent(
    psd="periodogram",
    psd_kwargs=dict(window="boxcar", detrend=False, one_sided=False),
    aggregate="sum",
    by="/",
).set_output(transform="pandas")
slopes = measure.fit_transform(epochs)
print(slopes.agg(["mean", "std"]).round(2).T)

# %%
# The words themselves (``input``) are as good as white: beta is near 0. The gates are not, and the
# longer a signal's memory, the steeper it falls.

slope_figure = measure.slopes_.plot()

# %%
# What the network brings, and what the words bring
# -------------------------------------------------
# An untrained network of the same size, and the trained one on the same words in random order.

keras.utils.set_random_seed(0)
fresh = sentiment_lstm(len(words))
rng = np.random.default_rng(0)
cases = {
    "trained": (model, tokens),
    "trained, words shuffled": (model, rng.permuted(tokens, axis=1)),
    "untrained": (fresh, tokens),
}
figure, ax = plt.subplots(layout="constrained")
for name, (network, words_read) in cases.items():
    pipeline = make_pipeline(ActivationRecorder(network, "lstm", signals=signals), measure)
    means = pipeline.fit_transform(words_read).mean()
    ax.plot(signals, means, "o-", label=name)
    print(f"{name:25}", *(f"{value:6.2f}" for value in means))
ax.axhline(0, color="k", lw=0.5)
ax.set(ylabel="Slope of power")
ax.legend(frameon=False)

# %%
# Shuffling the words changes little: the slope is made by the network's memory rather than by the
# order of English words. Even untrained, the cell c_out adds up what comes in, and so does h.
#
# The whole study
# ---------------
# With the 50,000 reviews at hand (``npa fetch imdb``) the same is done with five networks, beside
# the paper's numbers, and with EEG::
#
#     npa-ann study one-over-f --pretrained        # the networks that come with the project
#     npa-ann study one-over-f                     # train them anew: hours

plt.show()
