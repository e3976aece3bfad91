"""The page of the comparison of blink removal: a summary first, then where it comes from."""

from typing import Any

import pandas as pd

from benchmarks.blink_tables import (
    BEHIND,
    BLINKING,
    FINDERS,
    alpha_kept,
    as_frame,
    behind,
    binned,
    by_kind,
    by_recording,
    counted,
    found_and_left,
    keeps_less,
    leaves_more,
    left_cell,
    losses,
    markdown,
    numbers,
    pairs,
    percent,
    summary,
)

INTRODUCTION = """\
`BlinkICARemover` (npa) beside MNE's ICA with `find_bads_eog` by z score (MNE z) and by correlation
(MNE corr), ICLabel, and `EOGRegression` (regression), all with their documented settings, on
{n_real} recordings ({n_blinking} with at least {least} blinks) and on simulations with known truth
(npa {n_npa}, the others the first {n_peers} of the same). Measured on {date} with
{versions}.
Written by `python -m benchmarks.blink_removal`; all numbers are in `blinks.json`.
"""

LEGEND = """\
* *found*: something was removed, and at most half of the median blink is left. *Wrong*: something
  was removed from a recording with blinks, but more than half of the blink is left.
* *false*: something was removed from a recording without blinks: from the one real recording that
  has none (S001R02, eyes closed), and from simulations. {n_few} recordings with one or two blinks
  count neither way.
* *left*: median blink at its peak, after / before, in 1-40 Hz, at Fp1, Fpz and Fp2, or at the
  electrodes that carry the blinks where these do not (frontal reference, headbands): the median
  over recordings where the method found blinks. In simulations the truth is subtracted first. In
  real recordings it is not known: npa removes what the median blink shows, the brain's own signal
  in it included, so that this measure flatters npa; see *other half* below. The peak-to-peak
  height of the median blink, which holds what the brain does after a blink, is in the JSON only.
* *alpha kept*: power in 8-12 Hz at O1, Oz and O2 away from blinks (0.5 s), after / before, in
  recordings and simulations where blinks were found: median (lowest to highest).
* *s*: CPU seconds of fit and removal of a real recording, one thread, median.
"""

LOSSES = """\
What else is lost where blinks are found: *beta*, power in 13-30 Hz away from blinks, after /
before, at O1, Oz and O2 (median, lowest to highest) and where blinks are measured (Fp); *tail*,
99.5th percentile of the amplitude there in 1-40 Hz, after / before. 100 % of beta would be best.
"""

PAIRS = """\
Of the recordings in which both find the blinks: medians, and in how many npa leaves less or more of
the blink by more than {least} of its height. *Other half*: fitted to the first half of a recording,
and measured in the second, if it has three blinks there. *alpha off*: distance of the alpha kept
from 100 %. *error*: root mean square of what was made minus the truth, over all electrodes and
samples in 1-40 Hz, relative to that of the truth: what is left and what is lost in one number.
"""

SETTINGS = """\
* npa: `BlinkICARemover()`.
* MNE z, MNE corr: ICA (Picard, extended Infomax) of a copy above 1 Hz, 20 components or as many as
  there are, as in MNE's tutorials; `find_bads_eog(threshold="auto")`: a z score of 3, a correlation
  of 0.9; `ch_name` is the EOG channels, else Fp1 and Fp2, else AF7 and AF8, else the two
  frontal-most electrodes. A z score of 3 cannot be reached among fewer than 11 components.
* ICLabel: `mne-icalabel`, prepared as it was trained: common average, 1-100 Hz where the sampling
  rate is above 220 Hz (else above 1 Hz), ICA as above; components whose most probable class is "eye
  blink" go, from the unfiltered recording against the common average.
* regression: `mne.preprocessing.EOGRegression`, fitted above 0.3 Hz against the common average, on
  EOG channels where there are any, else on the same frontal electrodes. It decides nothing: it acts
  on every recording. Electrodes that are regressors themselves end at 0, blinks and brain alike,
  so that what is left there is trivially nothing (*own*): what it costs is read at O, and in the
  error.
"""


SIMULATED = """\
60 s at 256 Hz. Drawn at random: blinks of 80-400 uV at the strongest electrode, against a distant
reference, and 5-40 per minute; background of 6-15 uV with exponents of 0.5-2.5; alpha of 2-30 uV.
Electrodes: headband (TP9, AF7, AF8, TP10), 8 and 19 of the 10-20 system, a headset of 14 (AF3, AF4,
no Fp), biosemi32, biosemi64 and biosemi128 (with its own names). References: average, mastoids (TP9
and TP10), Cz, forehead (AFz); with *EOG* there are VEOG and HEOG, which hold no brain signal.
Without blinks, half have their eyes closed: alpha of 20-80 uV with the topography of blinks.
"""


def page(results: dict[str, Any]) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    results : dict
        ``recordings`` and ``simulations``, a dict per recording and method; ``about``.
    """
    real, halves, simulated = (
        as_frame(results[key]) for key in ("recordings", "halves", "simulations")
    )
    n_methods = simulated.groupby("recording")["method"].transform("nunique")
    shared = simulated[n_methods == n_methods.max()]
    kinds = {"recordings": real, "other half": halves, "simulations": shared}
    compared = pd.concat([pairs(table, kind) for kind, table in kinds.items()])
    names = real.drop_duplicates("recording")
    versions = ", ".join(
        f"{name} {number}" for name, number in results["about"]["versions"].items()
    )
    lines = [
        "# Blink removal",
        "",
        INTRODUCTION.format(
            n_real=len(names),
            n_blinking=int(names["blinks"].sum()),
            least=BLINKING,
            n_npa=simulated.loc[simulated["method"] == "npa", "recording"].nunique(),
            n_peers=shared["recording"].nunique(),
            date=results["about"]["date"],
            versions=versions,
        ),
        "## Summary",
        "",
        markdown(summary(real, shared)),
        "",
        LEGEND.format(n_few=int(((names["n_blinks"] > 0) & ~names["blinks"]).sum())),
        LOSSES,
        "",
        markdown(losses(real, shared)),
        "",
        "## npa beside each of the others",
        "",
        PAIRS.format(least=percent(BEHIND, 0)),
        markdown(compared),
        "",
        "Where npa is behind in these medians, and what it misses:",
        "",
        *leaves_more(compared),
        *keeps_less(real, "recordings"),
        *keeps_less(shared, "simulations"),
        *behind(real, "recordings"),
        *behind(shared, "simulations"),
        "",
        "## Settings",
        "",
        SETTINGS,
        *thresholds(real, shared),
        *simulations(simulated, shared),
        "## Recordings, one by one",
        "",
        "Blinks left at the peak. *-*: nothing removed. *own*: the electrodes are regressors. "
        "*Erased*: less than 1 % of 13-30 Hz power is kept there.",
        "",
        markdown(by_recording(real, left_cell)),
        "",
        "The same, fitted to the first half of the recording and measured in the second.",
        "",
        markdown(by_recording(halves[halves["blinks"]], left_cell)),
        "",
        "Alpha (8-12 Hz) at O kept away from blinks.",
        "",
        markdown(by_recording(real, lambda row: percent(row["alpha"]), needs="alpha")),
        "",
        "13-30 Hz power kept away from blinks where these are measured (Fp1, Fp2).",
        "",
        markdown(
            by_recording(real, lambda row: percent(row["frontal_beta"]), needs="frontal_beta")
        ),
    ]
    return "\n".join(lines).rstrip() + "\n"


def thresholds(real: pd.DataFrame, simulated: pd.DataFrame) -> list[str]:
    """Say what another threshold of the correlation would find."""
    rows = []
    for threshold in (0.9, 0.8, 0.7, 0.6, 0.5):
        row: dict[str, Any] = {"correlation above": threshold}
        for kind, table in (("recordings", real), ("simulations", simulated)):
            own = table[table["method"] == "MNE corr"]
            over = own["evidence"] > threshold
            row[f"{kind} with blinks"] = counted(over[own["blinks"]])
            row[f"{kind} without"] = counted(over[own["none"]])
        rows.append(row)
    text = (
        "MNE's users may choose another threshold of the correlation. Recordings in which a "
        "component exceeds it (which need not be a blink's):"
    )
    return [text, "", markdown(pd.DataFrame(rows)), ""]


def simulations(simulated: pd.DataFrame, shared: pd.DataFrame) -> list[str]:
    """Return the tables of the simulations."""
    lines = ["## Simulations", "", SIMULATED]
    for title, key in (
        ("By reference", "reference"),
        ("By number of electrodes", "electrodes"),
        ("By height of the blinks (uV)", "height"),
        ("By blinks per minute", "rate"),
    ):
        table = binned(shared, key)
        lines += [f"### {title}", "", "Found, and left of the blink:", ""]
        lines += [markdown(by_kind(table, key, found_and_left)), ""]
        if key in ("reference", "electrodes"):
            lines += ["Alpha kept at O:", ""]
            lines += [markdown(by_kind(table, key, alpha_kept)), ""]
    own = simulated[simulated["method"] == "npa"]
    lines += [f"### npa, all {len(own)} simulations", ""]
    for key in ("reference", "electrodes"):
        rows = [{key: value, **numbers(group)} for value, group in own.groupby(key, sort=True)]
        frame = pd.DataFrame(rows)
        lines += [markdown(frame), ""]
    closed = shared[shared["none"]].groupby(["method", "eyes closed"])["false"]
    table = closed.apply(counted).unstack().reindex(FINDERS).reset_index()
    table.columns = ["method", *("eyes closed" if c else "eyes open" for c in table.columns[1:])]
    return [*lines, "False finds without blinks:", "", markdown(table), ""]
