"""The command ``npa-ann study one-over-f``; Keras is loaded only when it runs."""

from functools import partial

from npa_ann.studies.commands import run_study

SEEDS = (1, 2, 3, 4, 5)
PEERS = ("gru", "simple_rnn")


def add_parser(subparsers):
    """Describe ``one-over-f`` to the command ``npa-ann study``.

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
    >>> parser.parse_args(["one-over-f", "--networks", "2", "--pretrained"]).networks
    2
    """
    parser = subparsers.add_parser(
        "one-over-f", help="1/f noise in LSTM networks that read movie reviews"
    )
    parser.add_argument("--data", metavar="DIR", help="the reviews; default: $NPA_DATA")
    parser.add_argument("--networks", type=int, default=len(SEEDS), help="how many, 1 to 5")
    parser.add_argument("--out", metavar="DIR", default="one-over-f", help="where results go")
    parser.add_argument(
        "--pretrained", action="store_true", help="take the shipped networks, train none"
    )
    parser.add_argument("--epochs", type=int, default=15, help="epochs of training at most")
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=PEERS, help="other cells to train one of"
    )
    parser.set_defaults(job=_job)
    return parser


def _job(args):
    """Run the study as the command line asks, and say where the results lie."""
    from npa_ann.studies.one_over_f import run

    options = [f"--networks {args.networks}"]
    options += ["--pretrained"] if args.pretrained else [f"--epochs {args.epochs}"]
    if not args.pretrained and tuple(args.peers) != PEERS:
        options.append(" ".join(["--peers", *args.peers]))
    study = partial(
        run,
        args.data,
        args.networks,
        args.out,
        args.pretrained,
        epochs=args.epochs,
        peers=args.peers,
    )
    run_study("one-over-f", options, study, args.out, unit="network")
