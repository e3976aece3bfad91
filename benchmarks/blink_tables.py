"""Tables of the comparison of blink removal, from one row per recording and method."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

METHODS = ("npa", "MNE z", "MNE corr", "ICLabel", "regression")
FINDERS = METHODS[:4]
MAX_LEFT = 0.5  # of a blink; a method that leaves more has not found it
BLINKING = 3  # fewest blinks of a real recording that is expected to be cleaned
BEHIND = 0.01  # by which what is left or kept must differ to be named
ERASED = 0.01  # of the 13-30 Hz power; a method that keeps less has erased the channel
HEIGHTS = (80, 137, 234, 400)  # uV
RATES = (5, 17, 28, 40)  # per minute


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
    if row["own"]:
        return "own"
    erased = " (erased)" if row["frontal_beta"] < ERASED else ""
    return percent(row["left"]) + erased


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
        row = {"method": method}
        parts = [numbers(table[table["method"] == method]) for table in (real, simulated)]
        for key in ("found", "false", "left"):
            row |= {f"{key}, real": parts[0][key], f"{key}, simulated": parts[1][key]}
        alpha = pd.concat([removals(each, method)["alpha"] for each in (real, simulated)])
        rows.append({**row, "alpha kept": with_range(alpha), "s": parts[0]["s"]})
    return pd.DataFrame(rows)


def removals(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return the rows in which a method found blinks; regression acts on all of them."""
    own = table[(table["method"] == method) & table["blinks"]]
    return own[own["found"]] if method in FINDERS else own


def numbers(own: pd.DataFrame) -> dict[str, str]:
    """Return the cells of one method."""
    if own.empty:
        return dict.fromkeys(
            ("found", "false", "left", "alpha kept", "beta at O", "error", "s"), ""
        )
    method = own["method"].iloc[0]
    good, decides = removals(own, method), method in FINDERS
    measured = good.loc[~good["own"], "left"].dropna()
    return {
        "found": counted(own.loc[own["blinks"], "found"]) if decides else "all",
        "false": counted(own.loc[own["none"], "false"]) if decides else "all",
        "left": "own" if len(good) and good["own"].all() else percent(median(measured)),
        "alpha kept": with_range(good["alpha"]),
        "beta at O": with_range(good["beta"]),
        "error": percent(median(good["error"]), 0),
        "s": f"{median(own['seconds']):.1f}",
    }


def losses(real: pd.DataFrame, simulated: pd.DataFrame) -> pd.DataFrame:
    """Return what each method does to the rest of the signal."""
    rows = []
    for method in METHODS:
        row: dict[str, Any] = {"method": method}
        for kind, table in (("real", real), ("simulated", simulated)):
            wrong = table.loc[table["method"] == method, "wrong"].sum()
            good = removals(table, method)
            row[f"wrong, {kind}"] = int(wrong) if method in FINDERS else ""
            row[f"beta at O, {kind}"] = with_range(good["beta"])
            row[f"beta at Fp, {kind}"] = percent(median(good["frontal_beta"]), 0)
            row[f"tail at Fp, {kind}"] = percent(median(good["frontal_tail"]), 0)
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
                "left, other": percent(median(other["left"][kept])) or ("own" if len(both) else ""),
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


def leaves_more(table: pd.DataFrame) -> list[str]:
    """Name the peers beside whom npa leaves more of the blink in the median; rows of `pairs`."""
    lines = []
    for _, row in table.iterrows():
        ours, theirs = (row[f"left, {who}"].removesuffix(" %") for who in ("npa", "other"))
        if row["both find"] and theirs not in ("", "own") and float(ours) > float(theirs):
            lines.append(
                f"* {row['']}, {row['beside']}: npa leaves {ours} % of the blink, {row['beside']} "
                f"{theirs} % ({row['both find']} recordings; npa less in {row['npa leaves less']}, "
                f"more in {row['more']})."
            )
    return lines


def keeps_less(table: pd.DataFrame, kind: str) -> list[str]:
    """Name the peers who keep more of the frontal 13-30 Hz power, where both find."""
    lines, ours = [], removals(table, "npa").set_index("recording")["frontal_beta"]
    for peer in FINDERS[1:]:
        theirs = removals(table, peer).set_index("recording")["frontal_beta"]
        both = ours.index.intersection(theirs.index)
        mine, other = median(ours[both]), median(theirs[both])
        if abs(mine - 1) > abs(other - 1) + BEHIND:
            lines.append(
                f"* {kind}, {peer}: npa keeps {percent(mine, 0)} of 13-30 Hz power at Fp, {peer} "
                f"{percent(other, 0)} ({len(both)} recordings)."
            )
    return lines


def named(names: pd.Series, most: int = 8) -> str:
    """Return how many, and which."""
    if names.empty:
        return "none"
    more = ", ..." if len(names) > most else ""
    return f"{len(names)} ({', '.join(names[:most])}{more})"


def binned(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the table with numbers as ranges."""
    edges = {"height": np.array(HEIGHTS) * 1e-6, "rate": np.array(RATES)}.get(key)
    if edges is None:
        return table
    shown = HEIGHTS if key == "height" else RATES
    labels = [f"{low}-{high}" for low, high in zip(shown[:-1], shown[1:], strict=True)]
    return table.assign(**{key: pd.cut(table[key], edges, labels=labels, include_lowest=True)})


def by_kind(table: pd.DataFrame, key: str, cell: Callable[[pd.DataFrame], str]) -> pd.DataFrame:
    """Return one row per kind, one column per method."""
    rows = []
    for value, group in table[table["blinks"]].groupby(key, sort=True, observed=True):
        cells = {method: cell(group[group["method"] == method]) for method in METHODS}
        rows.append({key: value, **cells})
    return pd.DataFrame(rows)


def found_and_left(own: pd.DataFrame) -> str:
    """Return how many are found, and what is left in them."""
    cells = numbers(own)
    return ", ".join(filter(None, (cells["found"], cells["left"])))


def alpha_kept(own: pd.DataFrame) -> str:
    """Return the alpha kept where blinks are found."""
    return numbers(own)["alpha kept"]


def by_recording(
    table: pd.DataFrame,
    cell: Callable[[pd.Series], str],
    *,
    needs: str = "left",
) -> pd.DataFrame:
    """Return one row per recording, one column per method."""
    rows = []
    for name, group in table.groupby("recording", sort=False):
        if not group["n_blinks"].iloc[0] and needs == "left":
            removed = ", ".join(group.loc[group["removed"], "method"])
            row = {"recording": name, "blinks": f"0; removed by {removed or 'none'}"}
        elif group[needs].isna().all():
            continue
        else:
            row = {"recording": name, "blinks": group["n_blinks"].iloc[0]}
            row |= {each["method"]: cell(each) for _, each in group.iterrows()}
        rows.append(row)
    return pd.DataFrame(rows)
