"""The published recipe, switch by switch: what each alone does to the accuracy."""

from dataclasses import replace

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from npa.decoding import audit_scaling, minmax_per_class
from npa.decoding.resampling import auc
from npa_ann.studies.faces.conditions import MAIN, UNCLEANED, UNREJECTED, join_condition

SWITCHES = ("honest", "scaled by class", "NPA unrejected", "band-pass before ICA", "together")
_SCALED = ("scaled by class", "together")
# Trials that a switch replaces; it changes nothing elsewhere.
_OTHER_TRIALS = {
    ("NPA unrejected", "NPA"): UNREJECTED,
    ("together", "NPA"): UNREJECTED,
    ("band-pass before ICA", "band-pass"): UNCLEANED,
    ("together", "band-pass"): UNCLEANED,
}
_FOLDS = 5


def changed(switch, condition):
    """Tell whether a switch does anything to a condition.

    Parameters
    ----------
    switch : str
        Out of ``SWITCHES``.
    condition : str
        Out of the paper's four.

    Returns
    -------
    does : bool
        Always True for ``"honest"``, the reference.

    Examples
    --------
    >>> changed("NPA unrejected", "NPA"), changed("NPA unrejected", "raw")
    (True, False)
    """
    return switch in ("honest", *_SCALED) or (switch, condition) in _OTHER_TRIALS


def apply_switch(parts, switch, condition):
    """Return the trials of a condition as the published code would have made them.

    Parameters
    ----------
    parts : dict of str to CutRecording
        What `npa_ann.studies.faces.conditions.cut_source` returned.
    switch : str
        Out of ``SWITCHES``.
    condition : str
        Out of the paper's four.

    Returns
    -------
    trials : Trials
        With ``"scaled by class"``, each class of each recording is brought to 0..1 on its own;
        with ``"NPA unrejected"``, no trial of NPA is rejected; with ``"band-pass before ICA"``,
        blinks stay in the band-passed trials; with ``"together"``, all three.

    Examples
    --------
    >>> from npa_ann.studies.faces.conditions import cut_source
    >>> from npa_ann.studies.faces.sources import open_sources
    >>> small = {"n_subjects": 1, "n_trials": 60, "ch_names": ["Fp1", "P8", "Pz"]}
    >>> source, = open_sources("simulated", effects=(1,), simulation=small)
    >>> parts = cut_source(source, 64.0, joblib.Memory(None))
    >>> X = apply_switch(parts, "scaled by class", "raw").X
    >>> X.min().item(), X.max().item()
    (0.0, 1.0)
    """
    trials = join_condition(parts, _OTHER_TRIALS.get((switch, condition), condition))
    if switch not in _SCALED:
        return trials
    return replace(trials, X=minmax_per_class(trials.X, trials.y, trials.runs))


def audit_source(parts, conditions, decoder, memory):
    """Decode a data set within and across subjects under every switch.

    Parameters
    ----------
    parts : dict of str to CutRecording
        Recording to its trials.
    conditions : sequence of str
        Those of the paper's four that could be made.
    decoder : estimator
        The classifier.
    memory : joblib.Memory
        Where finished cells are kept.

    Returns
    -------
    audit : dict
        Switch to condition to ``"within"`` (five random folds of each subject's trials, whatever
        run they are from) and ``"across"`` (subjects left out; None where there is one): means
        over subjects of ``accuracy`` and ``auc``, and the ``lowest`` and ``highest`` AUC.

    Examples
    --------
    >>> audit_source(parts, ["raw"], decoder, memory)["together"]["raw"]  # doctest: +SKIP
    """
    score = memory.cache(score_subjects, ignore=["X"])
    audit = {}
    for switch in SWITCHES:
        for condition in (name for name in MAIN if name in conditions and changed(switch, name)):
            trials = apply_switch(parts, switch, condition)
            key = joblib.hash(trials.X)
            given = (decoder, key, trials.y, trials.groups)
            found = {how: score(*given, how, trials.X) for how in ("within", "across")}
            audit.setdefault(switch, {})[condition] = found
    return audit


def score_subjects(decoder, key, y, groups, how, X):
    """Score a decoder on every subject.

    Parameters
    ----------
    decoder : estimator
        The classifier.
    key : str
        What stands for ``X`` where results are kept.
    y, groups : array, shape (n_trials,)
        Label and subject of every trial.
    how : {"within", "across"}
        Whether it is trained on other trials of the subject, or on the other subjects.
    X : array, shape (n_trials, n_channels, n_times)
        Trials.

    Returns
    -------
    scores : dict | None
        ``accuracy``, ``auc`` (means over subjects), ``lowest`` and ``highest`` AUC of a subject;
        None for ``"across"`` with one subject.

    Examples
    --------
    >>> from npa_ann.studies.faces.decoders import make_decoders
    >>> rng, y = np.random.default_rng(0), np.tile(["face", "noise"], 20)
    >>> groups = np.repeat(["a", "b"], 20)
    >>> X = rng.normal(size=(40, 2, 12)) + (y == "face")[:, None, None]
    >>> lda = make_decoders(["LDA"], 64.0)["LDA"]
    >>> score_subjects(lda, "", y, groups, "within", X)["auc"] > 0.8
    True
    """
    subjects = np.unique(groups)
    if how == "across" and len(subjects) < 2:
        return None
    splits = [
        (subject, train, test)
        for subject in subjects
        for train, test in _splits(y, groups, subject, how)
    ]
    areas, right = {}, {}
    last = np.unique(y)[-1]
    for subject, train, test in splits:
        fitted = clone(decoder).fit(X[train], y[train])
        if hasattr(fitted, "decision_function"):
            scores = fitted.decision_function(X[test])
        else:
            scores = fitted.predict_proba(X[test])[:, -1]
        areas.setdefault(subject, []).append(float(auc(scores, y[test] == last)))
        right.setdefault(subject, []).append(float(np.mean(fitted.predict(X[test]) == y[test])))
    by_subject = [float(np.mean(each)) for each in areas.values()]
    return {
        "accuracy": float(np.mean([np.mean(each) for each in right.values()])),
        "auc": float(np.mean(by_subject)),
        "lowest": min(by_subject),
        "highest": max(by_subject),
    }


def audit_noise(trials, n_permutations=99):
    """Ask pure noise whether scaling each class of each recording gives labels away.

    Parameters
    ----------
    trials : Trials
        Whose shape, labels and recordings are taken.
    n_permutations : int
        Permutations of the labels.

    Returns
    -------
    found : dict
        ``leaks_within`` and ``leaks_across`` recordings, and the ``verdict`` in words; the latter
        alone where a recording has too few trials of a class.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> found, _ = simulate_faces(2, 40, n_runs=1, ch_names=["P8", "Pz"])
    >>> audit_noise(collect_trials(found.recordings, found.event_id))["leaks_within"]
    True
    """
    try:
        found = audit_scaling(
            trials.X, trials.y, trials.runs, minmax_per_class, n_permutations=n_permutations
        )
    except ValueError as error:
        return {"verdict": f"Not asked: {error}"}
    return {
        "leaks_within": bool(found.leaks_within),
        "leaks_across": bool(found.leaks_across),
        "verdict": found.verdict,
    }


def _splits(y, groups, subject, how):
    """Yield (train, test) of one subject."""
    own = np.flatnonzero(groups == subject)
    if how == "across":
        yield np.flatnonzero(groups != subject), own
        return
    _, counts = np.unique(y[own], return_counts=True)
    folds = StratifiedKFold(min(_FOLDS, int(counts.min())), shuffle=True, random_state=0)
    for train, test in folds.split(own, y[own]):
        yield own[train], own[test]
