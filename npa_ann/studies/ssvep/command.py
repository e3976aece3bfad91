"""The command ``npa-ann study ssvep``; Keras is loaded only when it runs."""

from functools import partial

from npa_ann.studies.commands import run_study

NETWORKS = ("resnet_32", "resnet_20", "plain_cnn")


def add_parser(subparsers):
    """Describe ``ssvep`` to the command ``npa-ann study``.

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
    >>> parser.parse_args(["ssvep", "--images", "20", "--pretrained"]).images
    20
    """
    parser = subparsers.add_parser("ssvep", help="frequency tagging of a CNN that names images")
    parser.add_argument("--data", metavar="DIR", help="CIFAR-10; default: $NPA_DATA")
    parser.add_argument("--images", type=int, default=100, help="how many test images to flicker")
    parser.add_argument("--out", metavar="DIR", default="ssvep", help="where results go")
    parser.add_argument(
        "--pretrained", action="store_true", help="take the shipped networks, train none"
    )
    parser.add_argument("--epochs", type=int, default=20, help="epochs of training")
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=NETWORKS,
        default=NETWORKS,
        help="architectures, the first of which everything is measured on",
    )
    parser.set_defaults(job=_job)
    return parser


def _job(args):
    """Run the study as the command line asks, and say where the results lie."""
    from npa_ann.studies.ssvep import run

    options = [f"--images {args.images}"]
    options += ["--pretrained"] if args.pretrained else [f"--epochs {args.epochs}"]
    if tuple(args.networks) != NETWORKS:
        options.append(" ".join(["--networks", *args.networks]))
    study = partial(
        run,
        args.data,
        args.images,
        args.out,
        args.pretrained,
        networks=args.networks,
        training={"epochs": args.epochs},
    )
    run_study("ssvep", options, study, args.out)
