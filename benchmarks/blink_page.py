"""The page of the comparison of blink removal: a summary first, then where it comes from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

METHODS = ("npa", "MNE z", "MNE corr", "ICLabel", "regression")
FINDERS = METHODS[:4]
MAX_LEFT = 0.5  # of a blink; a method that leaves more has not found it
BLINKING = 3  # fewest blinks of a real recording that is expected to be cleaned
BEHIND = 0.01  # by which what is left or kept must differ to be named
HEIGHTS = (80, 137, 234, 400)  # uV
RATES = (5, 17, 28, 40)  # per minute

INTRODUCTION = """\
`BlinkICARemover` (npa) beside MNE's ICA with `find_bads_eog` by z score (MNE z) and by correlation
(MNE corr), ICLabel, and `EOGRegression` (regression), all with their documented settings, on
{n_real} recordings ({n_blinking} with at least {least} blinks) and on simulations with known truth
(npa {n_npa}, the others the first {n_peers} of the same). Measured on {date} with {versions}.
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
  in it included, so that this measure flatters npa. The peak-to-peak height of the median blink,
  which holds what the brain does after a blink, is in the JSON only.
* *alpha kept*: power in 8-12 Hz at O1, Oz and O2 away from blinks (0.5 s), after / before, in
  recordings and simulations where blinks were found: median (lowest to highest).
* *s*: CPU seconds of fit and removal, one thread, median.
"""

PAIRS = """\
Of the recordings in which both find the blinks: medians, and in how many npa leaves less or more of
the blink by at least {least} of its height. *alpha off*: distance of the alpha kept from 100 %.
*error*: root mean square of what was made minus the truth, over all electrodes and samples in
1-40 Hz, relative to that of the truth: what is left and what is lost in one number.
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
    real, simulated = (as_frame(results[key]) for key in ("recordings", "simulations"))
    n_methods = simulated.groupby("recording")["method"].transform("nunique")
    shared = simulated[n_methods == n_methods.max()]
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
        "What else is lost, and what is left of the largest amplitudes, where blinks are found:",
        "",
        markdown(losses(real, shared)),
        "",
        "## npa beside each of the others",
        "",
        PAIRS.format(least=percent(BEHIND, 0)),
        markdown(pd.concat([pairs(real, "recordings"), pairs(shared, "simulations")])),
        "",
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
        "Blinks left at the peak. *-*: nothing removed. *own*: the electrodes are regressors.",
        "",
        markdown(by_recording(real, left_cell)),
        "",
        "Alpha (8-12 Hz) at O kept away from blinks.",
        "",
        markdown(by_recording(real, lambda row: percent(row["alpha"]), needs="alpha")),
        "",
        "13-30 Hz power kept away from blinks where these are measured (Fp1, Fp2).",
        "",
        markdown(by_recording(real, lambda row: percent(row["frontal_beta"]))),
    ]
    return "\n".join(lines).rstrip() + "\n"


def as_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows with what follows from them: blinking, removed, found, false, wrong."""
    columns = ("recording", "method", "n_blinks", "blinks", "found", "left", "own_regressors")
    more = ("alpha", "beta", "frontal_beta", "frontal_tail", "error", "seconds", "evidence")
    extra = ("failure", "electrodes", "reference", "height", "rate", "eyes closed")
    table = pd.DataFrame(rows).reindex(columns=[*columns, *more, *extra])
    simulated = table["reference"].notna()
    table["blinks"] = np.where(simulated, table["blinks"].eq(True), table["n_blinks"] >= BLINKING)
    table["own"] = table["own_regressors"].eq(True)
    table["removed"] = table["found"].eq(True)
    small = table["left"].le(MAX_LEFT)
    table["found"] = table["removed"] & table["blinks"] & small
    table["wrong"] = table["removed"] & table["blinks"] & ~small
    table["none"] = np.where(simulated, ~table["blinks"], table["n_blinks"] == 0)
    table["false"] = table["removed"] & table["none"]
    return table


# ---- cells ----


def median(values: pd.Series) -> float:
    """Return the median of what is known; NaN without."""
    values = values.dropna()
    return float(values.median()) if len(values) else np.nan


def percent(value: float, digits: int = 1) -> str:
    """Return a share as text."""
    return "" if pd.isna(value) else f"{100 * value:.{digits}f} %"


def counted(rows: pd.Series) -> str:
    """Return how many of all."""
    return f"{int(rows.sum())} of {len(rows)}"


def with_range(values: pd.Series) -> str:
    """Return median, lowest and highest."""
    values = values.dropna()
    if values.empty:
        return ""
    return f"{percent(median(values))} ({100 * values.min():.0f} to {100 * values.max():.0f})"


def left_cell(row: pd.Series) -> str:
    """Return what is left, or why nothing is said of it."""
    if pd.notna(row["failure"]):
        return "failed"
    if not row["removed"]:
        return "-"
    return "own" if row["own"] else percent(row["left"])


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    cells = table.astype(object).where(table.notna(), "").to_numpy()
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    rows += [[str(cell) for cell in row] for row in cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# ---- tables ----


def summary(real: pd.DataFrame, simulated: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method."""
    rows = []
    for method in METHODS:
        parts = {
            kind: numbers(table[table["method"] == method])
            for kind, table in (("recordings", real), ("simulations", simulated))
            if table["method"].eq(method).any()
        }
        row = {"method": method}
        for key in ("found", "false", "left"):
            row |= {f"{key}, {kind}": part[key] for kind, part in parts.items()}
        alpha = pd.concat([removals(each, method)["alpha"] for each in (real, simulated)])
        row["alpha kept"] = with_range(alpha)
        row |= {f"s, {kind}": part["s"] for kind, part in parts.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def removals(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return the rows in which a method found blinks; regression acts on all of them."""
    own = table[(table["method"] == method) & table["blinks"]]
    return own[own["found"]] if method in FINDERS else own


def numbers(own: pd.DataFrame) -> dict[str, str]:
    """Return the cells of one method."""
    method = own["method"].iloc[0]
    good, decides = removals(own, method), method in FINDERS
    measured = good.loc[~good["own"], "left"].dropna()
    return {
        "found": counted(own.loc[own["blinks"], "found"]) if decides else "all",
        "false": counted(own.loc[own["none"], "false"]) if decides else "all",
        "left": f"{percent(median(measured))} (n = {len(measured)})" if len(measured) else "own",
        "alpha kept": with_range(good["alpha"]),
        "error": percent(median(good["error"]), 0),
        "s": f"{median(own['seconds']):.1f}",
    }


def losses(real: pd.DataFrame, simulated: pd.DataFrame) -> pd.DataFrame:
    """Return what each method does to the rest of the signal."""
    rows = []
    for method in METHODS:
        row: dict[str, Any] = {"method": method}
        for kind, table in (("recordings", real), ("simulations", simulated)):
            wrong = table.loc[table["method"] == method, "wrong"].sum()
            good = removals(table, method)
            row[f"wrong, {kind}"] = int(wrong) if method in FINDERS else ""
            row[f"13-30 Hz at O, {kind}"] = with_range(good["beta"])
            row[f"13-30 Hz at Fp, {kind}"] = percent(median(good["frontal_beta"]), 0)
            row[f"99.5th percentile at Fp, {kind}"] = percent(median(good["frontal_tail"]), 0)
        rows.append(row)
    return pd.DataFrame(rows)


def pairs(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Compare npa with each peer on the recordings in which both find the blinks."""
    rows = []
    ours = removals(table, "npa").set_index("recording")
    for peer in METHODS[1:]:
        theirs = removals(table, peer).set_index("recording")
        both = ours.index.intersection(theirs.index)
        mine, other = ours.loc[both], theirs.loc[both]
        kept = ~other["own"]
        more = mine["left"][kept] - other["left"][kept]
        off = [(each["alpha"] - 1).abs() for each in (mine, other)]
        rows.append(
            {
                "": kind,
                "beside": peer,
                "both find": len(both),
                "left, npa": percent(median(mine["left"][kept])),
                "left, other": percent(median(other["left"][kept])) or "own",
                "npa leaves less": int((more < -BEHIND).sum()),
                "more": int((more > BEHIND).sum()),
                "alpha off, npa": percent(median(off[0])),
                "alpha off, other": percent(median(off[1])),
                "error, npa": percent(median(mine["error"]), 0),
                "error, other": percent(median(other["error"]), 0),
            }
        )
    return pd.DataFrame(rows)


def behind(table: pd.DataFrame, kind: str) -> list[str]:
    """Name what a peer finds and npa misses, and the false finds of npa."""
    ours = table[table["method"] == "npa"]
    found = set(ours.loc[ours["found"], "recording"])
    lines = [f"* npa, false in {kind}: {named(ours.loc[ours['false'], 'recording'])}."]
    missed = ours.loc[ours["blinks"] & ~ours["found"], "recording"]
    lines += [f"* npa, missed in {kind}: {named(missed)}."]
    for peer in FINDERS[1:]:
        theirs = table.loc[(table["method"] == peer) & table["found"], "recording"]
        ahead = found - set(theirs)
        missed = theirs[~theirs.isin(found)]
        lines.append(
            f"* {kind}, {peer}: finds what npa misses in {named(missed)}; npa finds what it misses "
            f"in {len(ahead)}."
        )
    return lines


def named(names: pd.Series, most: int = 8) -> str:
    """Return how many, and which."""
    if names.empty:
        return "none"
    more = ", ..." if len(names) > most else ""
    return f"{len(names)} ({', '.join(names[:most])}{more})"


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
    for title, key, table in (
        ("By reference", "reference", shared),
        ("By number of electrodes", "electrodes", shared),
        ("By height of the blinks (uV)", "height", shared),
        ("By blinks per minute", "rate", shared),
    ):
        lines += [f"### {title}", "", markdown(by_kind(binned(table, key), key)), ""]
    own = simulated[simulated["method"] == "npa"]
    lines += [f"### npa, all {len(own)} simulations", ""]
    for key in ("reference", "electrodes"):
        rows = [{key: value, **numbers(group)} for value, group in own.groupby(key, sort=True)]
        frame = pd.DataFrame(rows)
        lines += [markdown(frame), ""]
    closed = shared[shared["none"]].groupby(["method", "eyes closed"])["false"]
    table = closed.apply(counted).unstack().reindex(METHODS[:4]).reset_index()
    table.columns = ["method", *("eyes closed" if c else "eyes open" for c in table.columns[1:])]
    return [*lines, "False finds without blinks:", "", markdown(table), ""]


def binned(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the table with numbers as ranges."""
    edges = {"height": np.array(HEIGHTS) * 1e-6, "rate": np.array(RATES)}.get(key)
    if edges is None:
        return table
    shown = HEIGHTS if key == "height" else RATES
    labels = [f"{low}-{high}" for low, high in zip(shown[:-1], shown[1:], strict=True)]
    return table.assign(**{key: pd.cut(table[key], edges, labels=labels, include_lowest=True)})


def by_kind(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return found, left and alpha of every method, one row per kind."""
    rows = []
    for value, group in table.groupby(key, sort=True, observed=True):
        row = {key: value}
        for method in METHODS:
            own = group[group["method"] == method]
            good = own[own["found"]]
            if method in FINDERS:
                row[f"{method}: found"] = counted(own.loc[own["blinks"], "found"])
            measured = good.loc[~good["own"], "left"]
            row[f"{method}: left"] = percent(median(measured)) if len(measured) else ""
            row[f"{method}: alpha"] = percent(median(good["alpha"]), 0)
        rows.append(row)
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def by_recording(
    table: pd.DataFrame,
    cell: Callable[[pd.Series], str],
    *,
    needs: str = "",
    all_rows: bool = False,
) -> pd.DataFrame:
    """Return one row per recording, one column per method."""
    rows = []
    for name, group in table.groupby("recording", sort=False):
        if needs and group[needs].isna().all():
            continue
        if not all_rows and not group["n_blinks"].iloc[0]:
            removed = ", ".join(group.loc[group["removed"], "method"])
            row = {"recording": name, "blinks": f"0; removed by {removed or 'none'}"}
        else:
            row = {"recording": name, "blinks": group["n_blinks"].iloc[0]}
            row |= {each["method"]: cell(each) for _, each in group.iterrows()}
        rows.append(row)
    return pd.DataFrame(rows)
