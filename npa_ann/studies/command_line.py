"""The command ``npa-ann study NAME``, made from the options of each study."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from npa_ann.studies import STUDIES, load_study
from npa_ann.studies.frame import Option, Study, run_study


def add_parsers(subparsers: Any, chosen: str | None = None) -> None:
    """Describe the studies to the command ``npa-ann study``.

    Parameters
    ----------
    subparsers : object
        What ``argparse.ArgumentParser.add_subparsers`` returned.
    chosen : str | None
        The study whose options are described; loading all of them would take seconds.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_parsers(parser.add_subparsers(), "ssvep")
    >>> parser.parse_args(["ssvep", "--images", "20", "--pretrained"]).images
    20
    """
    for name, summary in STUDIES.items():
        parser = subparsers.add_parser(name, help=summary)
        if name == chosen:
            _add_options(parser, load_study(name))


def _add_options(parser: argparse.ArgumentParser, study: Study) -> None:
    """Describe the options of a study."""
    parser.add_argument("--data", metavar="DIR", help="where the data are (default: $NPA_DATA)")
    out = f"where results go (default: {study.name})"
    parser.add_argument("--out", metavar="DIR", default=study.name, help=out)
    for option in study.options:
        if option.help:
            parser.add_argument(_flag(option), **_arguments(option))
    parser.set_defaults(job=partial(_run, study))


def _flag(option: Option) -> str:
    """Return the name of an option on the command line."""
    return f"--{option.flag or option.name.replace('_', '-')}"


def _arguments(option: Option) -> dict[str, Any]:
    """Return what ``add_argument`` takes for an option."""
    default = option.default
    described = {"dest": option.name, "default": default, "help": option.help}
    if default is False:
        return described | {"action": "store_true"}
    several = isinstance(default, tuple)
    words = " ".join(map(str, default)) if several else default
    if words not in (None, "") and "default" not in option.help:
        described["help"] = f"{option.help} (default: {words})"
    first = default[0] if several and default else default
    kind = option.kind or (str if first is None else type(first))
    described |= {"type": kind, "choices": option.choices}
    return described | ({"nargs": option.nargs} if several else {})


def _run(study: Study, args: argparse.Namespace) -> None:
    """Run a study as the command line asks, and print its results."""
    import matplotlib as mpl
    from tqdm import tqdm

    mpl.use("Agg")
    words, settings = [f"npa-ann study {study.name}"], {}
    for option in study.options:
        value = getattr(args, option.name, option.default)
        value = tuple(value) if isinstance(value, list) else value
        if value == option.default:
            continue
        given = value if isinstance(value, tuple) else () if value is True else (value,)
        words += [_flag(option), *map(str, given)]
        settings[option.name] = value if option.convert is None else option.convert(value)
    command = " ".join(words)
    progress = partial(tqdm, desc=words[0], file=sys.stderr)
    run_study(study, args.out, data=args.data, progress=progress, command=command, **settings)
    sys.stdout.write((Path(args.out) / "results.md").read_text(encoding="utf-8"))
    sys.stdout.write(f"\nResults in {Path(args.out).resolve()}\n")
