# %%
"""
A first look: blinks out, 1/f out, oscillations kept
====================================================

We simulate a recording, so that we know what is in it; take out the blinks; filter out the
background; and measure what is left. Every number that comes out can be held against the truth.
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from npa import BlinkICARemover, FOOOFFitter, NeuralPowerAmplifier, PSDExponent
from npa.datasets import simulate_recording
from npa.spectral import psd
from npa.viz import draw_power

# %%
# Simulate
# --------
# Two minutes of 32 electrodes: a background whose power falls as 1/f^1.2, an occipital rhythm at
# 10.5 Hz, a central one at 21 Hz, and a dozen blinks a minute. ``raw`` is an ordinary MNE Raw;
# ``truth`` says what went in.

raw, truth = simulate_recording(exponent=1.2, alpha_freq=10.5, beta_freq=21.0, random_state=7)
print(f"{len(raw.ch_names)} channels, {raw.times[-1]:.0f} s, {len(truth.blink_times)} blinks")

# %%
# Take the blinks out
# -------------------
# An independent component that explains the EOG *around blinks* is subtracted; the rest of the
# signal stays as it is. ``blinks_`` is the decision, apart from the action.

remover = BlinkICARemover().fit(raw)
clean = remover.transform(raw)
print(f"found: {remover.blinks_.found}, {len(remover.blinks_.blink_times)} blinks")

# %%
# The figure shows what was subtracted at the peak of a blink (largest above the eyes, as it must
# be) and the median blink at the electrode where it is largest, before (red) and after (blue): what
# is left is flat.

blink_figure = remover.blinks_.plot()

# %%
# Measure the background and the peaks
# ------------------------------------
# FOOOF models the logarithm of power as a falling background and Gaussian peaks upon it. The result
# is a named table, one row an epoch (a Raw is one).

fitter = FOOOFFitter().set_output(transform="pandas")
table = fitter.fit_transform(clean)
exponents = table.filter(like="_exponent")
print(f"exponent: {exponents.median(axis=1).item():.2f} (truth {truth.exponent:.2f})")

# %%
# The mean spectrum (grey), the background (dashed) and the whole model (red), with a peak at each
# of the two rhythms.

spectrum_figure = fitter.spectrum_.plot()

# %%
# The slope of a straight line through the whole spectrum is the simpler number. It counts down:
# FOOOF's exponent 1.2 is a slope of -1.2. Peaks pull on it; Theil-Sen regression resists.

slopes = PSDExponent((2, 40), regression="theilsen").set_output(transform="pandas")
print(f"slope: {slopes.fit_transform(clean).median(axis=1).item():.2f} (truth {-truth.exponent})")

# %%
# Filter the background out
# -------------------------
# The amplifier fits the mean spectrum once more and makes one zero-phase filter from it.
# ``response="whitening"`` makes the background flat.

amplifier = NeuralPowerAmplifier(response="whitening").fit(clean)
amplified = amplifier.transform(clean)

# %%
# Its gain, ideal (dashed) and realised (blue), lie on each other: for the background, for the peaks
# (none are raised further here), and both.

filter_figure = amplifier.filters_.plot()

# %%
# Power of one occipital electrode, in double-logarithmic axes: blinks raise it at low frequencies
# (grey), the clean recording falls as 1/f with a peak at 10.5 Hz (blue), and in the amplified one
# the background is flat and the peak stands alone (red).

power = {}
for label, recording in [("as recorded", raw), ("clean", clean), ("amplified", amplified)]:
    freqs, values = psd(recording.get_data("Oz")[0], raw.info["sfreq"], freq_range=(0, 60.0))
    power[label] = values
power_figure = draw_power(freqs, power)
plt.show()

# %%
# All of it as one pipeline
# -------------------------
# The steps are scikit-learn transformers, so they compose. The amplified background has no slope
# left to speak of.

pipeline = make_pipeline(
    BlinkICARemover(), NeuralPowerAmplifier(response="whitening"), PSDExponent((2, 40))
).set_output(transform="pandas")
flat = pipeline.fit_transform(raw)
print(f"median slope after whitening: {flat.median(axis=1).item():.2f}")
