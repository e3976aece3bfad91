"""The command ``npa-ann``."""

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str | None
        Arguments. Default None: those of the process.

    Returns
    -------
    code : int
        0; 1 if the command failed (the reason is on standard error); 130 if it was interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = _parser(argv).parse_args(argv)
    # SIGTERM, like Ctrl-C, removes files that are not written completely.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        args.job(args)
    except (ValueError, TypeError, OSError, EOFError) as error:
        print(f"npa-ann {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"npa-ann {args.command}: interrupted.", file=sys.stderr)
        return 130
    return 0


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Create the parser, with the options of the chosen study only: studies take long to import."""
    from npa import __version__

    parser = argparse.ArgumentParser(
        prog="npa-ann", description="Record artificial networks as pseudo-EEG."
    )
    parser.add_argument("--version", action="version", version=f"npa {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    record = commands.add_parser("record", help="run a network, and save its activations as epochs")
    record.add_argument("model", metavar="MODEL.keras")
    record.add_argument(
        "--layer",
        metavar="NAME",
        action="append",
        required=True,
        help="a layer or a pattern such as 'relu_*'; may be given repeatedly",
    )
    record.add_argument("--inputs", metavar="X.npy", required=True, help="inputs of the network")
    record.add_argument("-o", "--out", metavar="OUT-epo.fif", required=True)
    record.add_argument(
        "--signals",
        metavar="NAME",
        nargs="+",
        default=["output"],
        help="output (default), input, or gates such as f i cc o c_out h",
    )
    record.add_argument(
        "--reduce",
        choices=("mean", "max", "none"),
        default="mean",
        help="how a filter's map is reduced to one number (default: mean)",
    )
    record.add_argument("--sfreq", type=float, help="sampling rate in Hz (default: 1)")
    record.add_argument("--batch-size", type=int, default=128)
    record.add_argument("--max-memory", default="2GB", help="maximum size (default: 2GB)")
    record.add_argument("--overwrite", action="store_true", help="overwrite an existing file")
    record.set_defaults(job=_record)

    listing = commands.add_parser("layers", help="list the layers and signals that can be recorded")
    listing.add_argument("model", metavar="MODEL.keras")
    listing.set_defaults(job=_layers)

    study = commands.add_parser("study", help="rerun a published study")
    if "study" in argv[:1]:
        studies = study.add_subparsers(dest="study", required=True)
        from npa_ann.studies.command_line import add_parsers

        add_parsers(studies, argv[1] if len(argv) > 1 else None)
    return parser


def _record(args: argparse.Namespace) -> None:
    """Record a network on inputs from a file."""
    import numpy as np

    from npa.recordings.staging import staged
    from npa_ann.recording.recorder import ActivationRecorder

    out = Path(args.out)
    if not out.name.endswith(("-epo.fif", "_epo.fif", "-epo.fif.gz", "_epo.fif.gz")):
        raise ValueError(f"--out must end in -epo.fif, got {args.out!r}.")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"the folder {out.parent} does not exist.")
    if Path(args.inputs).suffix != ".npy":
        raise ValueError(f"--inputs must be a .npy file, got {args.inputs!r}.")
    with staged(out.parent, overwrite=args.overwrite, only=[out.name]) as folder:
        inputs = np.load(args.inputs, allow_pickle=False)
        recorder = ActivationRecorder(
            _load_model(args.model),
            args.layer,
            args.signals,
            reduce=None if args.reduce == "none" else args.reduce,
            batch_size=args.batch_size,
            sfreq=args.sfreq,
            max_memory=args.max_memory,
        )
        epochs = recorder.fit_transform(inputs)
        epochs.save(folder / out.name, verbose="ERROR")
    print(
        f"{out}: {len(epochs)} epochs, {len(epochs.ch_names)} channels, {len(epochs.times)} "
        f"samples at {epochs.info['sfreq']:g} Hz"
    )


def _layers(args: argparse.Namespace) -> None:
    """Print layers with their type, output shape and signals."""
    from npa_ann.recording.keras_models import count_uses, layer_signals, list_layers

    model = _load_model(args.model)
    uses = count_uses(model)
    rows = [
        (path, type(layer).__name__, _shape(layer), ", ".join(layer_signals(layer)))
        for path, layer in list_layers(model).items()
        if uses[path] == 1
    ]
    rows.insert(0, ("layer", "type", "output", "signals"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def _shape(layer: "keras.layers.Layer") -> str:
    """Format a layer's output shape."""
    shape = getattr(layer.output, "shape", None)
    if shape is None:
        return "several"
    return " x ".join("any" if size is None else str(size) for size in shape[1:]) or "number"


def _load_model(file: str) -> "keras.Model":
    """Load a Keras model in safe mode, which runs no code from its file."""
    path = Path(file)
    if path.suffix != ".keras":
        raise ValueError(f"the model must be a .keras file, got {str(path)!r}.")
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}.")
    import keras

    import_module("npa_ann.networks.rhythmic")  # registers its layers
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise ValueError(
            f"{path} was refused in Keras's safe mode (a damaged file, code inside it, or layers "
            f"that are not Keras's own): {error}"
        ) from error
