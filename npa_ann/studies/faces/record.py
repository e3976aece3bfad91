"""What the study has found so far, on disk."""

import json
from pathlib import Path

from npa_ann.studies.pages import write_results


class Record:
    """Keep results and the material of the figures in two JSON files, and add to them.

    Parameters
    ----------
    folder : path-like
        Where ``results.json`` and ``material.json`` lie; what is there is taken up.

    Attributes
    ----------
    folder : pathlib.Path
        The folder.
    results, material : dict
        What is known.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     record = Record(folder)
    ...     record.begin("made up", "a1b2", {"trials": 4})
    ...     record.results["accuracy"]["made up"]["raw"] = {"LDA": {"auc": 0.5}}
    ...     record.save()
    ...     Record(folder).results["accuracy"]
    {'made up': {'raw': {'LDA': {'auc': 0.5}}}}
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = ("accuracy", "differences", "audit", "noise", "datasets")
        self.results = {part: {} for part in parts} | self._read("results.json")
        self.material = self._read("material.json")

    def begin(self, dataset, identity, facts):
        """Describe a data set; what was found on other trials of this name is forgotten.

        Parameters
        ----------
        dataset : str
            Its name.
        identity : str
            Stands for its trials.
        facts : dict
            What is said of it.
        """
        known = self.results["datasets"].get(dataset, {})
        if known.get("identity") != identity:
            for part in ("accuracy", "differences", "noise"):
                self.results[part].pop(dataset, None)
            for switch in self.results["audit"].values():
                switch.pop(dataset, None)
            self.material.pop(dataset, None)
        self.results["datasets"][dataset] = {"identity": identity, **facts}
        self.results["accuracy"].setdefault(dataset, {})
        self.results["differences"].setdefault(dataset, {})
        self.material.setdefault(dataset, {}).setdefault("curves", {})

    def add_command(self, command):
        """Note one more command that went into the results."""
        known = [each for each in self.results.get("command", "").split("; ") if each]
        self.results["command"] = "; ".join(dict.fromkeys([*known, command]))

    def save(self):
        """Write both files."""
        self.results = write_results(self.results, self.folder / "results.json")
        self.material = write_results(self.material, self.folder / "material.json")

    def _read(self, name):
        """Read a file, if it is there."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
