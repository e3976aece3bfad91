# %%
"""
Your own recording
==================

The same steps on a file. Put the path of yours in ``fname``: anything that MNE reads as a
continuous recording will do (EDF, BDF, BrainVision, EEGLAB, FIF, ...). Without one, this script
takes the public recording of a person resting with eyes closed, where it is at hand, or simulates
one.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from npa import BlinkICARemover, FOOOFFitter, NeuralPowerAmplifier
from npa.datasets import fetch, simulate_recording
from npa.recordings.reading import load_recording
from npa.viz import draw_map
from npa.workflows.recording_report import analyze_recording
from npa.workflows.report_page import tallest_peak, write_html_report

fname = None  # "recording.edf"

# %%
# Without a file of your own
# --------------------------
# `npa.datasets.fetch` downloads public data once and remembers them. Where there is no network
# either, a simulated recording is written to a temporary file.

folder = Path(tempfile.mkdtemp())
if fname is None:
    try:
        fname = fetch("eegbci", subject=1, runs=2) / "S001R02.edf"
    except OSError as error:
        print(error)
        fname = folder / "simulated_raw.fif"
        simulate_recording(duration=60.0, blink_rate=0, random_state=0)[0].save(
            fname, verbose=False
        )
raw = load_recording(fname)
print(raw)

# %%
# Were there blinks?
# ------------------
# With closed eyes there are none, and the remover says so and leaves the signal alone. Where your
# recording has an EOG channel that is typed EEG, name it: ``BlinkICARemover(eog="EOG1")``.

remover = BlinkICARemover().fit(raw)
print("found" if remover.blinks_.found else f"not found: {remover.blinks_.reason}")

# %%
# The figure shows the blink component and the median blink, or why nothing was taken out.

blink_figure = remover.blinks_.plot()

# %%
# All steps in one call
# ---------------------
# `analyze_recording` does what ``npa demo --data`` does: it removes blinks and the background, and
# measures the spectrum, one row per channel. If the recording has line noise, give its frequency
# (``line=50.0``): the amplifier would pass it at high gain.

report = analyze_recording(raw)
print(report.table.iloc[:4, :6].round(2))

# %%
# The mean spectrum (grey) and its model (red). In a person at rest with closed eyes the peak near
# 10 Hz, the alpha rhythm, rules.

spectrum_figure = report.spectrum.plot()

# %%
# How high the alpha peak stands above the background, over the scalp: highest at the back of the
# head.

alpha = tallest_peak(report.table, (7.0, 14.0))
info = report.clean.copy().pick(list(report.table.index)).info
alpha_figure = draw_map(alpha, info, "Alpha peak (log10)")
plt.show()

# %%
# Keep the results
# ----------------
# An HTML page says what was done with which settings, for whoever reads it later.

write_html_report(report, folder / "report.html", source=str(fname))
print(sorted(path.name for path in folder.iterdir()))

# %%
# In your own pipeline
# --------------------
# Everything above is made of scikit-learn transformers over MNE objects; they take epochs as well.

pipeline = make_pipeline(BlinkICARemover(), NeuralPowerAmplifier(), FOOOFFitter(aggregate="mean"))
print(pipeline.set_output(transform="pandas").fit_transform(raw).round(2))
