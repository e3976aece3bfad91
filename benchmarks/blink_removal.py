"""Blink removal on recordings and simulations, ours beside the peers.

Methods: `BlinkICARemover` (npa); MNE's ICA with ``find_bads_eog`` by z score (MNE z) and by
correlation (MNE corr); ICLabel (extra ``bench``); `mne.preprocessing.EOGRegression` (regression).
Recordings are those of the folder ``NPA_DATA``; simulations vary reference, electrodes, blinks,
background and alpha, with known truth.

Run ``OMP_NUM_THREADS=1 python -m benchmarks.blink_removal --cache FOLDER``: what is in the folder
is not computed again (``--only METHOD`` for some, ``--page`` for none). Writes
``docs/results/blinks.json`` and ``blinks.md``.
"""

import argparse
import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from copy import copy
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

import mne
import numpy as np

from benchmarks.blink_methods import METHODS, NAMES, Removal
from benchmarks.blink_page import page
from benchmarks.blink_recordings import (
    MONTAGES,
    NAMED,
    REFERENCES,
    Recording,
    channels_near,
    real_recordings,
    simulate,
)
from benchmarks.blink_scores import carrying_channels, score_removal

RESULTS = Path(__file__).parent.parent / "docs" / "results"
FAILURES = (ImportError, RuntimeError, ValueError, IndexError, np.linalg.LinAlgError)


def clean_and_score(recording: Recording, method: str, *, half: bool) -> list[dict[str, Any]]:
    """Return a row per method: what was found, what is left, and what else is lost.

    With ``half``, methods are fitted to the first half of the recording, and scored in the second.
    """
    sfreq, peaks = recording.raw.info["sfreq"], recording.peaks
    middle = recording.raw.times[-1] / 2 if half else None
    if middle is not None:
        peaks = peaks[peaks >= middle * sfreq]
    about = {"recording": recording.name, "n_blinks": len(peaks), **recording.about}
    try:
        removals = METHODS[method](recording.raw, middle)
    except FAILURES as error:
        failure = {"found": False, "failure": f"{type(error).__name__}: {error}"}
        return [{**about, "method": name, **failure} for name in NAMES[method]]
    rows = []
    for name, removal in removals.items():
        row = about | {"method": name, "found": removal.after is not None}
        for key in ("n_removed", "seconds", "evidence", "detail"):
            row[key] = getattr(removal, key)
        if removal.after is not None and len(peaks):
            row |= score(recording, removal, peaks)
        rows.append(row)
    return rows


def score(recording: Recording, removal: Removal, peaks: np.ndarray) -> dict[str, Any]:
    """Score one removal."""
    sfreq = recording.raw.info["sfreq"]
    before, after = (each.get_data("eeg") for each in (removal.before, removal.after))
    truth = None
    if recording.truth is not None:
        known = recording.truth.copy().pick("eeg")
        if removal.before is not recording.raw:
            known.set_eeg_reference("average")
        truth = known.get_data()
    frontal, occipital = (channels_near(recording.raw, names) for names in NAMED)
    carrying = carrying_channels(before, sfreq, peaks, frontal)
    scores = score_removal(
        before, after, sfreq, peaks, carrying=carrying, occipital=occipital, truth=truth
    )
    eeg = recording.raw.copy().pick("eeg").ch_names
    names = [eeg[index] for index in carrying]
    return scores | {
        "measured_at": ", ".join(names),
        "own_regressors": not set(names).isdisjoint(removal.detail.split(", ")),
    }


def stored(
    cache: Path, name: str, method: str, make: Callable[[], Recording], *, half: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of a recording and a method, from the cache where they are there."""
    kind = f"{method}_half" if half else method
    path = cache / f"{re.sub('[^a-zA-Z0-9.-]+', '_', name)}__{kind}.json"
    if not path.exists():
        rows = clean_and_score(make(), method, half=half)
        path.write_text(json.dumps(rows))
        print(name, *(f"{r['method']}: {r.get('found')} {r.get('left', '')}" for r in rows))
    return json.loads(path.read_text())


def run_recordings(
    folder: str, cache: Path, methods: list[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Clean every recording by every method: rows of the whole, rows fitted to the first half."""
    whole, halves = [], []
    for recording in real_recordings(folder):
        make = partial(copy, recording)
        for method in methods:
            whole += stored(cache, recording.name, method, make)
            halves += stored(cache, recording.name, method, make, half=True)
    return whole, halves


def run_simulations(
    cache: Path, methods: list[str], n_seeds: int, n_peer_seeds: int
) -> Iterator[dict[str, Any]]:
    """Clean simulations by every method: the first ones of each kind by the peers too."""
    for seed in range(n_seeds):
        for electrodes, reference, blinks in product(MONTAGES, REFERENCES, (True, False)):
            name = f"{electrodes} {reference} {'blinks' if blinks else 'none'} {seed}"
            for method in methods:
                make = partial(simulate, electrodes, reference, blinks=blinks, seed=seed)
                if method == "npa" or seed < n_peer_seeds:
                    yield from stored(cache, name, method, make)


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    """Round numbers, and leave out those that are not known."""
    known = {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in row.items()
    }
    return {
        key: value for key, value in known.items() if value not in ("", None) and value == value
    }


def packages() -> dict[str, str]:
    """Return the versions of what was compared."""
    found = {}
    for name in ("mne", "mne-icalabel", "python-picard", "numpy", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write(results: dict[str, Any], folder: Path) -> None:
    """Write the numbers, one row per line, and the page."""
    parts = {}
    for key in ("recordings", "halves", "simulations"):
        parts[key] = ",\n".join(json.dumps(tidy(row)) for row in results[key])
    text = "".join(f' "{key}": [\n{rows}\n ],\n' for key, rows in parts.items())
    about = json.dumps(results["about"])
    (folder / "blinks.json").write_text(f'{{\n{text} "about": {about}\n}}\n')
    (folder / "blinks.md").write_text(page(results))


def main() -> None:
    """Run what is not in the cache, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder of results by recording and method")
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=6, help="per kind of simulation, npa")
    parser.add_argument("--peer-seeds", type=int, default=2, help="the same, the peers")
    parser.add_argument("--no-recordings", action="store_true")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    mne.set_log_level("ERROR")
    warnings.simplefilter("ignore")
    path = args.out / "blinks.json"
    if args.page:
        write(json.loads(path.read_text()), args.out)
        return
    cache = args.cache or Path(tempfile.mkdtemp())
    cache.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"recordings": [], "halves": []}
    if not args.no_recordings:
        rows = run_recordings(os.environ["NPA_DATA"], cache, args.only)
        results = dict(zip(results, rows, strict=True))
    results["simulations"] = list(run_simulations(cache, args.only, args.seeds, args.peer_seeds))
    results["about"] = {"date": date.today().isoformat(), "versions": packages()}
    if args.only == list(METHODS):
        write(results, args.out)


if __name__ == "__main__":
    main()
