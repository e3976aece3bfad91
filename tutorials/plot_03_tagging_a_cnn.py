# %%
"""
A network that sees, tagged like a visual cortex
================================================

Let the left half of what one sees flicker six times a second and the right half seven and a half
times: a neuron that looks to the left answers at 6 Hz, one that looks to the right at 7.5 Hz, and
one that combines the two halves at sums and differences of both. Böge and colleagues
(`arXiv:2411.10084
<https://doi.org/10.48550/arXiv.2411.10084>`_) did this to a convolutional network. Here it is done
to one that comes with this project, on two photographs that come with scikit-learn, and then to a
simulated brain, read by the very same estimator. Nothing is downloaded.
"""

import matplotlib.pyplot as plt
import mne
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.pipeline import make_pipeline

from npa import FrequencyTagger
from npa_ann import ActivationRecorder, ContrastFlicker
from npa_ann.networks import pretrained

# %%
# Images that flicker
# -------------------
# The photographs are cut into squares and shrunk to the 32 x 32 pixels that the network takes.


def shrink(photograph, side=32):
    """Cut the middle square out and average it down to ``side`` pixels."""
    step = min(photograph.shape[:2]) // side
    top, left = ((size - side * step) // 2 for size in photograph.shape[:2])
    square = photograph[top : top + side * step, left : left + side * step] / 255
    return square.reshape(side, step, side, step, 3).mean(axis=(1, 3))


images = np.stack([shrink(photograph) for photograph in load_sample_images().images])
flicker = ContrastFlicker(frequencies=(6.0, 7.5), regions="halves", fps=120, duration=2.0)
frames = flicker.fit_transform(images)
print(frames.shape, "images, frames, rows, columns, colours")

figure, axes = plt.subplots(1, 6, figsize=(8, 1.6), layout="constrained")
for number, ax in enumerate(axes):
    ax.imshow(frames[0, 4 * number])
    ax.set(xticks=[], yticks=[], title=f"{4 * number / 120:.2f} s")

# %%
# The network as a recording
# --------------------------
# Every filter, averaged over its map, is a channel; every frame is a sample. ``conv_1`` is before
# the first nonlinearity, ``relu_1`` behind it.

network = pretrained("resnet_32")
layers = ["conv_1", "relu_1", "relu_8", "relu_31"]
recorder = ActivationRecorder(network, layers)
epochs = recorder.fit_transform(frames)
print(epochs)

# %%
# Before the first nonlinearity the answer holds the two tags and nothing else: a convolution only
# adds. Behind it there are harmonics, and terms that mix the tags.

tagger = FrequencyTagger(frequencies=(6.0, 7.5), measure="amplitude").fit(epochs)
report = tagger.tags_
freqs = report.freqs
shown = freqs <= 25
figure, axes = plt.subplots(2, 1, sharex=True, figsize=(7, 4.5), layout="constrained")
for ax, layer in zip(axes, ("conv_1", "relu_8"), strict=True):
    of_layer = [
        number for number, name in enumerate(epochs.ch_names) if name.startswith(f"{layer}/")
    ]
    loudest = max(of_layer, key=lambda number: report.values[number].max())
    ax.stem(freqs[shown][1:], report.amplitude[loudest][shown][1:], markerfmt=" ", basefmt=" ")
    ax.set(title=epochs.ch_names[loudest], ylabel="Amplitude")
axes[-1].set_xlabel("Frequency (Hz)")

# %%
# Which half does a filter follow?
# --------------------------------
# The amplitude at each tag tells, from 1 (left only) to -1 (right only). A convolution sees both
# halves alike; the balance of a filter is that of the picture's content.

names = [term.name for term in report.terms]
left, right = (report.values[:, names.index(name)] for name in ("f1", "f2"))
mixed = [number for number, name in enumerate(names) if "f1" in name and "f2" in name]
mixing = np.sqrt((report.values[:, mixed] ** 2).sum(axis=1)) / np.hypot(left, right)
of = np.array([name.partition("/")[0] for name in epochs.ch_names])
for layer in layers:
    own = of == layer
    print(f"{layer:8} mixing, median of {own.sum()} filters: {np.median(mixing[own]):.1e}")

# %%
# Deeper layers see wider: their filters straddle the border between the halves, and mix more.

figure, ax = plt.subplots(layout="constrained")
for layer in layers[1:]:
    own = of == layer
    balance = (left - right)[own] / (left + right)[own]
    ax.scatter(balance, mixing[own], s=12, label=layer)
ax.set(xlabel="Balance, left to right", ylabel="Mixing of the two halves", yscale="log")
ax.legend()

# %%
# A brain under the same flicker
# ------------------------------
# Three simulated electrodes: one over the left visual field's cortex, one over the right's, and
# one that squares the sum of both, in noise. The same estimator reads them; here noise is real, so
# that the signal-to-noise ratio means what it says.

rng = np.random.default_rng(0)
sfreq, seconds = 250.0, 2.0
t = np.arange(int(sfreq * seconds)) / sfreq
left_field, right_field = np.sin(2 * np.pi * 6 * t), np.sin(2 * np.pi * 7.5 * t)
sources = np.stack([left_field, right_field, 0.5 * (left_field + right_field) ** 2])
trials = 1e-6 * (sources + 3 * rng.standard_normal((40, 3, len(t))))
info = mne.create_info(["PO8", "PO7", "Oz"], sfreq, "eeg")
brain = mne.EpochsArray(trials, info, verbose=False).average()
brain = mne.EpochsArray(brain.data[np.newaxis], info, verbose=False)
eeg = FrequencyTagger(frequencies=(6.0, 7.5), n_harmonics=2, max_order=2)
table = eeg.set_output(transform="pandas").fit_transform(brain)
for name in info.ch_names:
    row = {term: table[f"{name}_snr_{term}"].iloc[0] for term in ("f1", "f2", "f1+f2")}
    print(name, {term: round(float(value), 1) for term, value in row.items()})

# %%
# In one line, and on your own data
# ---------------------------------
# The whole chain is a pipeline, from images to a table:

pipeline = make_pipeline(
    ContrastFlicker(frequencies=(6.0, 7.5)),
    ActivationRecorder(network, layer=["relu_1", "relu_4"]),
    FrequencyTagger(frequencies=(6.0, 7.5), measure="amplitude"),
).set_output(transform="pandas")
print(pipeline.fit_transform(images).iloc[:, :3].round(4))

# %%
# ``npa tag RECORDING --freqs 6 7.5 --events NAME`` reads the SSVEP of a real recording, and
# ``npa-ann study ssvep`` reruns the whole study on CIFAR-10.

plt.show()
