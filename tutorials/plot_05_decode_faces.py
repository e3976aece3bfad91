# %%
"""
Does it help decoding? And does the decoding hold?
==================================================

Single trials of EEG tell whether a person looks at a face. Do they tell it better after the Neural
Power Amplifier? The answer needs three things: the same trials under every preprocessing, a test
that knows what chance looks like, and a look at what could give the labels away. We simulate people
whose brains answer to faces, so that we know the truth, and go all the way.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from npa import BlinkICARemover, NeuralPowerAmplifier
from npa.datasets import simulate_faces
from npa.decoding import audit_scaling, compare, minmax_per_class
from npa.trials import collect_trials
from npa_ann.studies.faces.decoders import ShrinkageLDA, flatten, window_means
from npa_ann.studies.faces.trials import resample_trials

# %%
# People who look at faces
# ------------------------
# Four subjects, 60 pictures each, half of them faces and half noise. A face gives a negative wave
# after 170 ms at the back of the head on both sides (the N170) and a positive one after 380 ms on
# top (the P300). The subjects differ in their alpha rhythm, their 1/f background, their blinks, and
# in how strongly they answer.

channels = ["Fp1", "Fp2", "F3", "Fz", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4"]
channels += ["P9", "PO7", "Oz", "PO8", "P10"]
found, truth = simulate_faces(n_subjects=4, n_trials=60, n_runs=1, ch_names=channels, effect=1.5)
for name, subject in truth.subjects.items():
    print(f"{name}: alpha {subject['alpha_freq']:.1f} Hz, exponent {subject['exponent']:.2f}")

# %%
# The same trials, four times
# ---------------------------
# Which trials are rejected is decided once, on the raw recordings, and handed to all other
# conditions as ``drop_log``. Every recording gets a clone of the amplifier, which never sees a
# label.

settings = {"event_id": found.event_id, "tmin": -0.3, "tmax": 1.0, "detrend": 1}
clean = {
    name: [BlinkICARemover().fit_transform(raw) for raw in runs]
    for name, runs in found.recordings.items()
}
raw = collect_trials(found.recordings, reject={"eeg": 800e-6, "eog": 6e-3}, **settings)
conditions = {
    "raw": raw,
    "blinks out": collect_trials(clean, drop_log=raw.drop_log, **settings),
    "amplified": collect_trials(
        clean, preprocess=NeuralPowerAmplifier(), drop_log=raw.drop_log, **settings
    ),
}
conditions = {name: resample_trials(trials, 64.0) for name, trials in conditions.items()}
print(f"{len(raw)} trials of {len(np.unique(raw.groups))} subjects, {len(raw.ch_names)} channels")

# %%
# What the amplifier leaves of the response
# -----------------------------------------
# Faces minus noise, averaged over subjects, each condition divided by its largest value.

figure, ax = plt.subplots(layout="constrained")
for name, trials in conditions.items():
    faces = trials.y == "face"
    difference = trials.X[faces].mean(axis=0) - trials.X[~faces].mean(axis=0)
    course = difference[[trials.ch_names.index(site) for site in ("P9", "P10")]].mean(axis=0)
    ax.plot(1e3 * trials.times, course / np.abs(course).max(), label=name)
ax.axvspan(140, 200, color="0.85")
ax.axhline(0, color="k", lw=0.5)
ax.set(xlabel="Time (ms)", ylabel="P9, P10: faces - noise (normalised)")
ax.legend(frameon=False)

# %%
# Decode people who were not in the training
# ------------------------------------------
# Linear discriminant analysis with a shrunk covariance, on means over windows of 0.1 s. Each
# subject is tested by a decoder that has only seen the others. The p-value compares the mean AUC
# with those of decoders trained anew on permuted labels, and is corrected for the number of cells.

lda = make_pipeline(
    FunctionTransformer(window_means, kw_args={"n_samples": 6}),
    FunctionTransformer(flatten),
    ShrinkageLDA(),
)
comparison = compare(conditions, {"LDA": lda}, LeaveOneGroupOut(), n_permutations=79)
print(comparison.cells[["condition", "auc", "auc_low", "auc_high", "p_holm"]].round(3))
print(comparison.scope)

# %%
# What is the difference worth? The interval redraws trials of these four subjects. To speak of
# other people, all four would have to agree: a test that flips the signs of four differences cannot
# go below p = 2/16 = 0.125, whatever the numbers.

pairs = comparison.differences.set_index(["condition", "minus"])
print(pairs[["auc", "auc_low", "auc_high"]].round(3))

# %%
# How to be right in too many trials
# ----------------------------------
# A tempting way of bringing trials to one scale: each class of each recording to 0..1 on its own.
# The decoder then needs no brain. Offset and scale of a trial are those of its class, and tell the
# classes apart. `audit_scaling` asks pure noise of the same shape.

trials = conditions["amplified"]
audit = audit_scaling(trials.X, trials.y, trials.runs, minmax_per_class, n_permutations=99)
print(audit.verdict)

# %%
# In numbers: white noise in place of the trials, scaled in this way, told apart by mean and scale
# of each trial alone. 0.5 would be chance.

noise = audit.to_frame().query("data == 'noise' and decoder == 'mean and scale'")
print(noise[["split", "auc", "lowest", "highest", "p_holm"]].round(2).to_string(index=False))

# %%
# And a scaling that does not leak
# --------------------------------
# Brought to 0..1 without regard to its class, a recording gives nothing away.


def minmax_per_recording(X, y, groups):
    """Scale each recording to 0..1, whatever its trials are called."""
    return minmax_per_class(X, np.zeros(len(X), dtype=int), groups)


fair = audit_scaling(trials.X, trials.y, trials.runs, minmax_per_recording, n_permutations=99)
print("labels leak" if fair.leaks else "no sign of a leak")

# %%
# The whole study
# ---------------
# All six conditions, LSTMs, and the published recipe switch by switch, on simulated and on real
# recordings, with a report::
#
#     npa-ann study faces --dataset simulated --out faces
#     npa-ann study faces --dataset visual n170 --data DIR --out faces

plt.show()
