# %%
"""
From a unit that remembers to a network that rings
==================================================

A neuron that fires, a net that recalls, a unit that listens to its own past, and one that listens
to two steps of it and rings. The last kind, eleven of them, can read handwritten digits one pixel
at a time. Nothing is downloaded: the digits are scikit-learn's, 8 x 8 pixels each, and every
picture is drawn from numbers computed here. The ideas are those of Rosenblatt (1958,
`doi:10.1037/h0042519 <https://doi.org/10.1037/h0042519>`_), Hopfield (1982,
`doi:10.1073/pnas.79.8.2554 <https://doi.org/10.1073/pnas.79.8.2554>`_), Elman (1990,
`doi:10.1207/s15516709cog1402_1 <https://doi.org/10.1207/s15516709cog1402_1>`_), Kramer (2025,
`arXiv:2506.17083 <https://doi.org/10.48550/arXiv.2506.17083>`_), and Effenberger and colleagues
(2025, `doi:10.1073/pnas.2412830122 <https://doi.org/10.1073/pnas.2412830122>`_).
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from npa_ann import ActivationRecorder
from npa_ann.dynamics import (
    hopfield_recall,
    hopfield_weights,
    perceptron,
    rhythmic,
    scalar_rnn,
)
from npa_ann.networks import horn_digits, lstm_digits, pretrained, resonant_digits, rnn_digits
from npa_ann.networks.oscillators import golden_frequencies, resonance_weights
from npa_ann.studies.rhythms.measures import ring_down, while_reading

rng = np.random.default_rng(0)
pixels, labels = load_digits(return_X_y=True)
pixels = (pixels / 16).astype("float32")

# %%
# A neuron
# --------
# Rosenblatt's perceptron fires where the weighted sum of its inputs passes a threshold. With two
# weights of 1 and a threshold of 1.5 it is a logical AND.

print(perceptron([[0, 0], [0, 1], [1, 0], [1, 1]], weights=[1, 1], bias=-1.5))

# %%
# A net that recalls
# ------------------
# Hopfield's units listen to all others. Three digits, black or white, are stored in the weights;
# started from a spoiled one, a quarter of its pixels turned round, the net falls into the memory.

stored = np.where(pixels[[0, 1, 7]] > 0.5, 1, -1)
spoiled = stored[0] * rng.permuted(np.repeat([-1, 1], [16, 48]))
path = hopfield_recall(hopfield_weights(stored), spoiled)
print("recalled:", np.array_equal(path[-1], stored[0]))

figure, axes = plt.subplots(1, 3, figsize=(7, 2.6), layout="constrained")
pictures = {"stored": stored[0], "spoiled": spoiled, "recalled": path[-1]}
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture.reshape(8, 8), cmap="gray_r")
    ax.set_title(title)
    ax.set_axis_off()

# %%
# A unit that remembers itself
# ----------------------------
# The smallest recurrent network is one number, h(t) = w h(t-1). It explodes, rests, fades, or
# flickers, and that is all it can do.

figure, axes = plt.subplots(1, 4, figsize=(10, 2.4), layout="constrained")
cases = {"explodes": 1.3, "rests": 1.0, "fades": 0.7, "flickers": -0.8}
for ax, (title, w) in zip(axes, cases.items(), strict=True):
    ax.plot(scalar_rnn(w, h0=1.0, n=12), "o-", ms=3)
    ax.axhline(0, color="k", lw=0.5)
    ax.set(title=f"{title} (w = {w})", xlabel="Step")

# %%
# Two steps back, and it rings
# ----------------------------
# A unit that also hears the step before last, h(t) = w1 h(t-1) + w2 h(t-2), is a damped oscillator.
# Frequency and fading can be chosen: here 4, 10 and 40 Hz at 1000 steps a second. What comes back
# is an ordinary MNE recording, so MNE's own spectrum finds the three rhythms.

w1, w2 = resonance_weights([4.0, 10.0, 40.0], r=0.999)
raw = rhythmic(w1, w2, h0=1.0, n=4000, sfreq=1000.0)
spectrum = raw.compute_psd("welch", picks="all", n_fft=4000, fmin=1, fmax=60, verbose=False)
print("peaks at", spectrum.freqs[spectrum.get_data().argmax(axis=1)].round(2), "Hz")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
unit = raw.get_data()[:, :1000]
left.plot((unit / np.abs(unit).max(axis=1, keepdims=True)).T + 2 * np.arange(3), lw=0.8)
left.set(xlabel="Time (ms)", yticks=[])
right.semilogy(spectrum.freqs, spectrum.get_data().T)
right.set(xlabel="Frequency (Hz)", ylabel="Power")

# %%
# Eleven that ring read digits
# ----------------------------
# Kramer's network: eleven such units, each 1.618 times as fast as the one before, driven by one
# pixel a step. Only what couples them is learnt, and how their amplitudes, averaged over time,
# speak for the ten digits: 252 numbers. Beside it the harmonic oscillators of Effenberger and
# colleagues, and a tanh network and an LSTM of about the size of Kramer's. All see 1,297 digits ten
# times, with the same optimiser, and are asked about the other 500. That is no fair race: in some
# two hundred steps an LSTM has hardly begun, and nothing is tuned. The study below is the race.

builders = {
    "resonant": resonant_digits,
    "harmonic": horn_digits,
    "tanh RNN": rnn_digits,
    "LSTM": lstm_digits,
}
sequences = pixels[..., None]
accuracy, trained = {}, {}
for name, build in builders.items():
    keras.utils.set_random_seed(0)
    model = trained[name] = build()
    model.compile(
        keras.optimizers.Adam(0.03, global_clipnorm=1.0),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.fit(sequences[:1297], labels[:1297], epochs=10, batch_size=64, verbose=0)
    accuracy[name] = model.evaluate(sequences[1297:], labels[1297:], verbose=0)[1]
    print(f"{name:9} {accuracy[name]:.2f}")

figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.barh(list(accuracy), accuracy.values(), color="tab:blue")
ax.axvline(0.1, color="k", lw=0.8, ls=":", label="guessing")
ax.invert_yaxis()
ax.set(xlabel="Accuracy on 500 new digits (8 x 8)", xlim=(0, 1))
ax.legend(frameon=False)

# %%
# What the nodes do
# -----------------
# The recorder makes channels of the nodes: one digit of 64 pixels, and the eleven nodes from slow
# to fast.

recorder = ActivationRecorder(trained["resonant"], "rhythm", signals="x", sfreq=1000.0)
epochs = recorder.fit_transform(sequences[1297:1298])
nodes = epochs.get_data()[0]

figure, (left, right) = plt.subplots(
    1, 2, width_ratios=(1, 3), figsize=(9, 4), layout="constrained"
)
left.imshow(pixels[1297].reshape(8, 8), cmap="gray_r")
left.set_axis_off()
right.step(epochs.times * 1e3, pixels[1297] * 0.8, color="k", lw=0.8, where="mid")
right.plot(
    epochs.times * 1e3,
    (0.45 * nodes / np.abs(nodes).max(axis=1, keepdims=True)).T + 1 + np.arange(len(nodes)),
    color="tab:blue",
    lw=0.8,
)
right.set(xlabel="Time (ms)", ylabel="Pixels, then nodes", yticks=[])

# %%
# A network that has read 55,000 digits
# -------------------------------------
# One that was trained on the digits of MNIST, of 28 x 28 pixels, comes with the project. It has
# never seen scikit-learn's digits. Blown up to its size, they can be read to it; how many it names
# right shows how far 252 numbers carry to other hands and other paper.

shipped = pretrained("resonant_digits_1")
few = slice(0, 200)
large = np.zeros((200, 28, 28), "float32")
large[:, 4:24, 4:24] = zoom(pixels[few].reshape(-1, 8, 8), (1, 2.5, 2.5), order=1)
large = large.reshape(200, 784, 1)
hits = shipped.predict_on_batch(large).argmax(axis=1) == labels[few]
print(f"{hits.mean():.2f} of {len(hits)} foreign digits named right; guessing: 0.10")

# %%
# Do its nodes still ring where they were designed to, now that training has coupled them? While it
# reads, every node from 10 Hz on has most power within a few per cent of its own frequency.
# The slower ones ring less than eight times in the 784 ms of a digit; struck once and left alone
# for ten seconds, they too are where they should be.

reading = while_reading(shipped, "resonant_rnn", large)
designed = golden_frequencies()
recorded = np.where(designed >= 10, reading["peaks"], ring_down(shipped))
for pair in zip(designed, recorded, strict=True):
    print("designed {:6.1f} Hz, recorded {:6.1f} Hz".format(*pair))

figure, ax = plt.subplots(layout="constrained")
colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(designed)))
for power, frequency, colour in zip(reading["power"], designed, colours, strict=True):
    ax.loglog(reading["freqs"], power / power.max(), color=colour, lw=0.8)
    ax.axvline(frequency, color=colour, ls=":", lw=0.8)
ax.set(xlim=(1, 500), ylim=(1e-6, 2), xlabel="Frequency (Hz)", ylabel="Power of each node")

# %%
# The whole study
# ---------------
# With MNIST at hand (``npa fetch mnist``), the four networks are trained and compared as in the
# lecture, and other rhythms are tried: octaves, equal distances, random ones, a single one::
#
#     npa-ann study rhythms --pretrained        # the networks that come with the project
#     npa-ann study rhythms --seeds 3           # train them anew: hours

plt.show()
