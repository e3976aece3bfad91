"""What the commands of all studies end with: the run, its progress bar, and the results shown."""

import sys
from functools import partial
from pathlib import Path


def run_study(name, options, study, out, unit="it"):
    """Run a study for the command line, and print its results and where they lie.

    Parameters
    ----------
    name : str
        Name of the study.
    options : list of str
        The options that its results depend on, as on the command line.
    study : callable
        Takes ``progress``, which wraps an iterable, and ``command``, which the results name.
    out : path-like
        Folder to which the study writes ``results.md``.
    unit : str
        What the progress bar counts.

    Examples
    --------
    >>> def study(progress, command):
    ...     _ = Path("results.md").write_text(f"# What `{command}` found")
    >>> run_study("sums", ["--seeds 2"], study, ".")
    # What `npa-ann study sums --seeds 2` found
    Results in ...
    """
    import matplotlib as mpl
    from tqdm import tqdm

    mpl.use("Agg")
    command = f"npa-ann study {name}"
    study(
        progress=partial(tqdm, desc=command, unit=unit, file=sys.stderr),
        command=" ".join([command, *options]),
    )
    sys.stdout.write((Path(out) / "results.md").read_text(encoding="utf-8"))
    sys.stdout.write(f"\nResults in {Path(out).resolve()}\n")
