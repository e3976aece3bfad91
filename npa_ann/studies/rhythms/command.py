"""The command ``npa-ann study rhythms``; Keras is loaded only when it runs."""

from functools import partial

from npa_ann.studies.commands import run_study
from npa_ann.studies.rhythms.jobs import ABLATIONS, SPACINGS


def add_parser(subparsers):
    """Describe ``rhythms`` to the command ``npa-ann study``.

    Parameters
    ----------
    subparsers : object
        What ``argparse.ArgumentParser.add_subparsers`` returned.

    Returns
    -------
    parser : argparse.ArgumentParser
        The new parser; the parsed arguments' ``job`` runs the study.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> _ = add_parser(parser.add_subparsers())
    >>> parser.parse_args(["rhythms", "--seeds", "2", "--pretrained"]).seeds
    2
    """
    parser = subparsers.add_parser("rhythms", help="do rhythms help to read digits by the pixel?")
    parser.add_argument("--data", metavar="DIR", help="MNIST; default: $NPA_DATA")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each kind")
    parser.add_argument("--out", metavar="DIR", default="rhythms", help="where results go")
    parser.add_argument(
        "--pretrained", action="store_true", help="take the shipped networks, train none"
    )
    parser.add_argument(
        "--rhythms",
        nargs="*",
        choices=(*SPACINGS, *ABLATIONS),
        default=(*SPACINGS, *ABLATIONS),
        help="other rhythms to train resonant networks of (default: all)",
    )
    parser.add_argument(
        "--only-finished",
        action="store_true",
        help="train none, and report on the trainings in --out that ran to their end",
    )
    parser.set_defaults(job=_job)
    return parser


def _job(args):
    """Run the study as the command line asks, and say where the results lie."""
    from npa_ann.studies.rhythms import run

    options = [f"--seeds {args.seeds}"]
    if tuple(args.rhythms) != (*SPACINGS, *ABLATIONS):
        options.append(" ".join(["--rhythms", *args.rhythms]))
    options += ["--pretrained"] * args.pretrained + ["--only-finished"] * args.only_finished
    study = partial(
        run,
        args.data,
        args.seeds,
        args.out,
        args.pretrained,
        rhythms=args.rhythms,
        only_finished=args.only_finished,
    )
    run_study("rhythms", options, study, args.out, unit="network")
