"""The command ``npa-ann study faces``; Keras is loaded only when it runs."""

from functools import partial

from npa_ann.studies.commands import run_study

DATASETS = ("simulated", "n170", "visual", "ft10", "bids")
EFFECTS = (0.0, 0.5, 1.0)
DECODERS = {
    "lda": "LDA",
    "xdawn": "xDAWN",
    "lstm-published": "LSTM, published",
    "lstm-converged": "LSTM, converged",
}


def add_parser(subparsers):
    """Describe ``faces`` to the command ``npa-ann study``.

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
    >>> parser.parse_args(["faces", "--dataset", "visual", "n170"]).dataset
    ['visual', 'n170']
    """
    parser = subparsers.add_parser(
        "faces", help="does the amplifier help decoding? four preprocessings, and a published 98 %%"
    )
    parser.add_argument("--data", metavar="DIR", help="the recordings; default: $NPA_DATA")
    parser.add_argument(
        "--dataset", nargs="+", choices=DATASETS, default=["simulated"], help="one or several"
    )
    parser.add_argument(
        "--effects", nargs="+", type=float, default=EFFECTS, help="sizes to simulate"
    )
    parser.add_argument("--out", metavar="DIR", default="faces", help="where results go")
    parser.add_argument(
        "--decoders",
        nargs="*",
        choices=DECODERS,
        help="in this order; default: all that can be made, none: a report on what is known",
    )
    parser.add_argument(
        "--audit",
        nargs="*",
        choices=DECODERS,
        default=["lda"],
        help="those of the decoders that try the published recipe (default: lda)",
    )
    parser.add_argument(
        "--conditions",
        choices=("all", "main"),
        default="all",
        help="main: without whitening and per-channel amplifiers (default: all)",
    )
    parser.add_argument("--permutations", type=int, default=180, help="for linear decoders")
    parser.add_argument("--bootstraps", type=int, default=1000, help="for the intervals")
    parser.add_argument(
        "--events",
        nargs="+",
        metavar="LABEL=NAME,NAME",
        help="for bids: which trial types make each of the two labels",
    )
    parser.set_defaults(job=_job)
    return parser


def _job(args):
    """Run the study as the command line asks, and say where the results lie."""
    from npa_ann.studies.faces import run
    from npa_ann.studies.faces.conditions import CONDITIONS, MAIN

    options = ["--dataset", *args.dataset]
    if "simulated" in args.dataset and tuple(args.effects) != EFFECTS:
        options += ["--effects", *(f"{effect:g}" for effect in args.effects)]
    if args.decoders is not None:
        options += ["--decoders", *args.decoders]
    if args.conditions != "all":
        options += ["--conditions", args.conditions]
    options += [f"--permutations {args.permutations} --bootstraps {args.bootstraps}"]
    study = partial(
        run,
        args.data,
        args.dataset,
        args.out,
        decoders=None if args.decoders is None else [DECODERS[name] for name in args.decoders],
        audit=[DECODERS[name] for name in args.audit],
        n_permutations=args.permutations,
        n_bootstraps=args.bootstraps,
        effects=args.effects,
        conditions=CONDITIONS if args.conditions == "all" else MAIN,
        events=_parse_events(args.events),
    )
    run_study("faces", options, study, args.out)


def _parse_events(words):
    """Turn LABEL=NAME,NAME into a dict."""
    if words is None:
        return None
    events = dict(word.partition("=")[::2] for word in words)
    if len(events) != 2 or not all(events) or not all(events.values()):
        raise ValueError(f"--events must be two of LABEL=NAME,NAME, got {' '.join(words)!r}.")
    return {label: names.split(",") for label, names in events.items()}
