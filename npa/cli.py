"""The command ``npa``."""

from __future__ import annotations

import argparse
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import mne

    from npa.workflows.recording_report import RecordingReport

DEFAULT_EXPONENT_RANGE = (2.0, 40.0)  # Hz

Parser = argparse.ArgumentParser
Arguments = argparse.Namespace

MAINS = (50.0, 60.0)  # Hz


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str | None
        Arguments; None for those of the process.

    Returns
    -------
    code : int
        0; 1 if the command failed (the reason is on standard error); 130 if it was interrupted.
    """
    args = _parser().parse_args(argv)
    name = f"npa {args.command}"
    # SIGTERM, like Ctrl-C, removes partial results.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _warnings_at_end(line_start=f"{name}: warning: "):
            args.run(args)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; partial results are removed.", file=sys.stderr)
        return 130
    return 0


def _parser() -> Parser:
    """Return the parser of all commands."""
    from npa import __version__

    parser = Parser(
        prog="npa",
        description="Spectral analysis of EEG: remove blinks and line noise, amplify oscillations "
        "over the 1/f background, and measure spectra.",
        epilog="Recordings are files in any format that MNE reads. Try: npa demo",
    )
    parser.add_argument("--version", action="version", version=f"npa {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Arguments], None], text: str) -> Parser:
        command: Parser = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        command.set_defaults(run=run)
        return command

    _describe_analysis(
        add("demo", _analyze, "analyze a simulated recording and write a report"),
        add("report", _analyze, "analyze a recording and write a report"),
    )
    _describe_amplify(add("amplify", _amplify, "remove the 1/f background from recordings"))
    _describe_batch(add("batch", _batch, "run a pipeline on many recordings, or resume it"))
    _describe_exponent(add("exponent", _exponent, "print the slope of each channel's spectrum"))
    _describe_tag(add("tag", _tag, "print responses to frequency tags"))
    _describe_fetch(add("fetch", _fetch, "download a public data set, and print its folder"))
    return parser


def _describe_analysis(demo: Parser, report: Parser) -> None:
    """Add the arguments of ``demo`` and ``report``."""
    demo.add_argument("--data", metavar="FILE", type=_path, help="a recording to analyze instead")
    demo.add_argument(
        "--out",
        metavar="DIR",
        type=_path,
        default="npa-demo",
        help="folder of results (default: %(default)s)",
    )
    report.add_argument("data", metavar="FILE", type=_path, help="the recording")
    _add_out(report)
    for command in (demo, report):
        command.add_argument(
            "--eog",
            metavar="NAME",
            action="append",
            help="an EOG channel; may be repeated (default: channels of type EOG)",
        )
        command.add_argument(
            "--artifacts",
            nargs="+",
            choices=("blink", "saccade"),
            default=["blink"],
            help="eye movements to remove; saccades are horizontal ones (default: blink)",
        )
        _add_overwrite(command)
        _add_line(command)
        _add_channels(command)
        _add_freq_range(command, "of the fitted model (default: 1 45, and 0.5 45 of the amplifier)")


def _describe_amplify(amplify: Parser) -> None:
    """Add the arguments of ``amplify``."""
    amplify.description = "Remove the 1/f background: FILE.edf becomes FILE_amplified_raw.fif."
    amplify.add_argument("files", metavar="FILE", type=_path, nargs="+", help="the recordings")
    amplify.add_argument(
        "--response",
        choices=("logarithmic", "whitening"),
        default="logarithmic",
        help="gain for the background (default: %(default)s)",
    )
    _add_out(amplify)
    _add_overwrite(amplify)
    _add_line(amplify)
    _add_channels(amplify)
    _add_freq_range(amplify, "of the fitted model (default: 0.5 45; whitening: 1 45)")


def _describe_batch(batch: Parser) -> None:
    """Add the arguments of ``batch``."""
    batch.add_argument(
        "pipeline", metavar="PIPELINE.yaml", type=_path, help="estimators and their parameters"
    )
    batch.add_argument("files", metavar="FILE", type=_path, nargs="*", help="the recordings")
    batch.add_argument(
        "--bids", metavar="ROOT", type=_path, help="use the recordings of a BIDS data set"
    )
    batch.add_argument("--task", metavar="TASK", help="a task of the BIDS data set (default: all)")
    batch.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        type=_path,
        help="folder of results (default with --bids: ROOT/derivatives/npa)",
    )
    batch.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        default=1,
        help="number of recordings at a time (default: %(default)s)",
    )
    batch.add_argument(
        "--outputs",
        nargs="+",
        choices=("signal", "table", "report"),
        help="what to write per recording (default: all)",
    )
    _add_overwrite(batch)
    _add_channels(batch, default="all data channels, or what the pipeline file says")
    _add_freq_range(batch, "of each step that fits a spectrum")


def _describe_exponent(exponent: Parser) -> None:
    """Add the arguments of ``exponent``."""
    exponent.description = "Print the slope of each channel's power spectrum as CSV."
    exponent.add_argument("file", metavar="FILE", type=_path, help="the recording")
    _add_freq_range(
        exponent, "of the line (default: 2 40, or what of it lies within the recording's pass band)"
    )
    exponent.add_argument(
        "--robust", action="store_true", help="Theil-Sen regression, robust to peaks"
    )
    _add_line(exponent)
    _add_channels(exponent)


def _describe_tag(tag: Parser) -> None:
    """Add the arguments of ``tag``."""
    tag.description = "Print the responses of each channel to frequency tags as CSV."
    tag.add_argument("file", metavar="FILE", type=_path, help="the recording")
    tag.add_argument(
        "--freqs",
        metavar="HZ",
        type=float,
        nargs="+",
        required=True,
        help="frequencies of the tags in Hz",
    )
    tag.add_argument(
        "--events",
        metavar="EVENT",
        nargs="+",
        help="annotations or trigger codes that start a trial (default: no trials)",
    )
    for name, default in (("tmin", 0.0), ("tmax", 2.0)):
        edge = "start" if name == "tmin" else "end"
        tag.add_argument(
            f"--{name}",
            metavar="S",
            type=float,
            default=default,
            help=f"{edge} of a trial, in s from its event (default: %(default)g)",
        )
    tag.add_argument("--power", action="store_true", help="SNR of power instead of amplitude")
    _add_line(tag)
    _add_channels(tag)


def _describe_fetch(fetch: Parser) -> None:
    """Add the arguments of ``fetch``."""
    fetch.add_argument("name", metavar="NAME", nargs="?", help="the data set; see --list")
    fetch.add_argument("--list", action="store_true", help="list the data sets")
    fetch.add_argument("--subject", type=int, help="subject of eegbci (default: 1)")
    fetch.add_argument("--runs", type=int, nargs="+", help="runs of eegbci (default: 1 2)")


def _add_out(command: Parser) -> None:
    """Add the folder of results."""
    command.add_argument(
        "-o", "--out", metavar="DIR", type=_path, required=True, help="folder of results"
    )


def _add_overwrite(command: Parser) -> None:
    """Add the permission to replace files."""
    command.add_argument("--overwrite", action="store_true", help="replace existing results")


def _add_line(command: Parser) -> None:
    """Add the frequency of line noise."""
    command.add_argument(
        "--line",
        metavar="HZ",
        type=_line,
        help="remove line noise of this frequency first; auto for 50 or 60 Hz, whichever is there",
    )


def _add_freq_range(command: Parser, of_what: str) -> None:
    """Add the frequency range of fits."""
    command.add_argument(
        "--freq-range",
        metavar=("LOW", "HIGH"),
        nargs=2,
        type=float,
        help=f"lowest and highest frequency in Hz {of_what}",
    )


def _add_channels(command: Parser, default: str = "EEG where there is EEG") -> None:
    """Add the choice of channels."""
    group = command.add_argument_group("channels")
    group.add_argument(
        "--picks",
        metavar="NAME",
        nargs="+",
        help=f"names or types of the data channels to use (default: {default})",
    )
    group.add_argument(
        "--exclude", metavar="NAME", nargs="+", default=[], help="channels to leave out"
    )
    group.add_argument(
        "--types",
        metavar="NAME=TYPE",
        type=_name_and_type,
        nargs="+",
        default=[],
        help="types of channels, such as ECG=ecg (default: those of the file; of EEG channels what "
        "their names tell)",
    )
    group.add_argument(
        "--bads",
        metavar="NAME",
        nargs="+",
        default=[],
        help="channels to mark bad; auto for those that are flat or of extreme amplitude",
    )
    group.add_argument(
        "--montage",
        metavar="NAME",
        help="electrode positions: a montage of MNE or a file (default: those of the file, else of "
        "the 10-05 system)",
    )
    group.add_argument(
        "--reference",
        metavar="NAME",
        nargs="+",
        help="new reference of the EEG: average, or channels whose mean it is",
    )


def _path(text: str) -> str:
    """Return a path, with ``~`` as the home folder."""
    return str(Path(text).expanduser())


def _line(text: str) -> float | Literal["auto"]:
    """Return a frequency in Hz, or "auto"."""
    return "auto" if text == "auto" else float(text)


def _name_and_type(text: str) -> tuple[str, str]:
    """Return the two sides of NAME=TYPE."""
    name, equals, ch_type = text.rpartition("=")
    if not (name and equals and ch_type):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TYPE")
    return name, ch_type


@contextmanager
def _warnings_at_end(line_start: str = "", name: str = "") -> Iterator[None]:
    """Collect warnings, and issue each once at the end, as one line after a progress bar.

    ``name`` is put before each message.
    """
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
    finally:
        usual = warnings.formatwarning
        if line_start:
            warnings.formatwarning = lambda message, *args, **kwargs: f"{line_start}{message}\n"
        try:
            for text, each in {str(each.message): each for each in caught}.items():
                warnings.warn_explicit(
                    " ".join(f"{name}{text}".split()), each.category, each.filename, each.lineno
                )
        finally:
            warnings.formatwarning = usual


def _analyze(args: Arguments) -> None:
    """Analyze one recording, write its report and print a summary."""
    import matplotlib as mpl
    import mne

    from npa.datasets import simulate_recording
    from npa.recordings.reading import load_recording
    from npa.recordings.staging import staged
    from npa.workflows.recording_report import analyze_recording, save_recording_report
    from npa.workflows.report_page import write_html_report

    mpl.use("Agg")
    mne.set_log_level("WARNING")
    with staged(args.out, overwrite=args.overwrite) as folder:
        if args.data:
            raw, source = load_recording(args.data, types=dict(args.types)), str(args.data)
        else:
            raw, _ = simulate_recording(random_state=0)
            source = "simulated (simulate_recording, seed 0)"
        raw = _prepare(raw, args)
        progress = _progress(args, "step")
        freq_range = args.freq_range and tuple(args.freq_range)
        report = analyze_recording(
            raw,
            eog=args.eog,
            line=args.line,
            freq_range=freq_range,
            artifacts=args.artifacts,
            progress=progress,
        )
        save_recording_report(report, folder)
        write_html_report(report, folder / "report.html", source)
        written = sorted(path.name for path in folder.iterdir())
    print("\n".join(["", *_summary(report, source)]))
    print(f"\nResults in {Path(args.out).resolve()}:\n  " + "\n  ".join(written))


def _summary(report: RecordingReport, source: str) -> Iterator[str]:
    """Yield the lines that summarize an analysis."""
    from npa.workflows.report_page import blink_sentence, clean_time_sentence, line_sentence

    raw, spectrum = report.raw, report.spectrum
    yield f"Recording   {source}"
    yield (
        f"            {len(report.table)} data channels, {raw.info['sfreq']:g} Hz, "
        f"{raw.times[-1]:.0f} s"
    )
    yield f"Clean time  {clean_time_sentence(spectrum)}"
    yield f"Line noise  {line_sentence(report)}"
    for each in (report.blinks, report.saccades):
        if each.sought:
            name = f"{each.artifact}s".capitalize()
            yield f"{name:<12}{blink_sentence(each)}"
    low, high = report.steps["measure"].freq_range
    yield (
        f"Background  1/f^{spectrum.exponent:.2f} within {low:.4g}-{high:.4g} Hz, "
        f"fit r2 = {spectrum.r_squared:.3f}"
    )
    peaks = ", ".join(f"{cf:.1f} Hz" for cf, _, _ in spectrum.peaks) or "none"
    yield f"Peaks       {peaks}"


def _amplify(args: Arguments) -> None:
    """Amplify recordings one by one; each result appears when it is complete."""
    import mne

    from npa import NeuralPowerAmplifier
    from npa.recordings.staging import refuse_existing, staged

    mne.set_log_level("WARNING")
    names = {f"{Path(file).stem}_amplified_raw.fif": file for file in args.files}
    if len(names) < len(args.files):
        raise ValueError("FILE: two recordings have the same name, and so would their results.")
    if not args.overwrite:
        refuse_existing(args.out, names)
    failures = {}
    for name, file in _progress(args, "recording")(names.items()):
        try:
            with (
                _warnings_at_end(name=f"{file}: "),
                staged(args.out, overwrite=args.overwrite, only=[name]) as folder,
            ):
                amplifier = NeuralPowerAmplifier(response=args.response)
                if args.freq_range:
                    amplifier.set_params(fooof__freq_range=tuple(args.freq_range))
                amplifier.fit_transform(_load(file, args)).save(folder / name)
        except (ValueError, OSError, RuntimeError) as error:
            failures[name] = str(error) if str(file) in str(error) else f"{file}: {error}"
    done = [name for name in names if name not in failures]
    if done:
        print(f"Results in {Path(args.out).resolve()}:\n  " + "\n  ".join(done))
    if failures:
        listed = "\n  ".join(failures.values())
        raise ValueError(f"{len(failures)} of {len(names)} recording(s) failed:\n  {listed}")


def _batch(args: Arguments) -> None:
    """Run a pipeline on recordings, and name those that failed."""
    import os
    import warnings

    import mne

    # Before pyplot is imported, also by the workers: figures are only written to files.
    os.environ["MPLBACKEND"] = "agg"
    from npa.batch import bids_recordings, read_pipeline, run
    from npa.recordings.preparing import check_channel_options
    from npa.workflows.batch.pipeline_file import read_channels, with_freq_range

    mne.set_log_level("WARNING")
    if bool(args.files) == bool(args.bids):
        raise ValueError("give either FILE... or --bids ROOT.")
    if args.task and not args.bids:
        raise ValueError(f"--task {args.task} needs --bids ROOT.")
    out = args.out or (Path(args.bids, "derivatives", "npa") if args.bids else None)
    if out is None:
        raise ValueError("-o DIR is missing.")
    recordings = bids_recordings(args.bids, args.task) if args.bids else args.files
    options: dict[str, Any] = {"outputs": args.outputs} if args.outputs else {}
    chosen = check_channel_options(
        "channels", {**_channel_options(args), "types": dict(args.types)}
    )
    options["channels"] = read_channels(args.pipeline) | chosen
    pipeline = read_pipeline(args.pipeline)
    if args.freq_range:
        pipeline = with_freq_range(pipeline, tuple(args.freq_range))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* recordings failed; see", RuntimeWarning)
        summary = run(
            pipeline, recordings, out, n_jobs=args.jobs, overwrite=args.overwrite, **options
        )
    summary = summary.drop_duplicates("recording")
    failed = summary[summary["status"] == "failed"]
    print(f"{len(summary) - len(failed)} of {len(summary)} recordings in {Path(out).resolve()}")
    if len(failed):
        errors = "\n".join(f"  {each.recording}: {each.error}" for each in failed.itertuples())
        raise ValueError(f"{len(failed)} recording(s) failed; see failed.csv there.\n{errors}")


def _exponent(args: Arguments) -> None:
    """Print the slope of each channel."""
    from npa import PSDExponent
    from npa.workflows.pass_band import limit_to_pass_band

    regression: Literal["ols", "theilsen"] = "theilsen" if args.robust else "ols"
    # MNE's log goes to standard output, which is for the table.
    with redirect_stdout(sys.stderr):
        raw = _load(args.file, args)
        freq_range = args.freq_range and tuple(args.freq_range)
        if freq_range is None:
            freq_range, reason = limit_to_pass_band(raw, DEFAULT_EXPONENT_RANGE)
            if reason:
                print(f"npa exponent: fits {reason}.", file=sys.stderr)
        estimator = PSDExponent(freq_range, regression=regression)
        table = estimator.fit(raw).slopes_.to_frame()
    print(table.drop(columns="epoch").to_csv(index=False, float_format="%.6g"), end="")


def _tag(args: Arguments) -> None:
    """Print the response of each channel at each term."""
    from npa import FrequencyTagger

    with redirect_stdout(sys.stderr):
        signals: Any = _load(args.file, args)
        if args.events:
            signals = _cut_trials(signals, args)
        tagger = FrequencyTagger(args.freqs, crop=True, power=args.power)
        table = tagger.fit(signals).tags_.to_frame()
    print(table.to_csv(index=False, float_format="%.6g"), end="")


def _fetch(args: Arguments) -> None:
    """Download a data set, or list all."""
    from npa.datasets import fetch, list_datasets

    if args.list:
        print("\n\n".join(map(str, list_datasets())))
    elif args.name is None:
        raise ValueError("NAME of a data set is missing; npa fetch --list names them.")
    else:
        with redirect_stdout(sys.stderr):
            folder = fetch(args.name, subject=args.subject, runs=args.runs)
        print(folder)


def _load(file: str, args: Arguments) -> mne.io.BaseRaw:
    """Read a recording, choose its channels, and remove line noise if requested."""
    from npa import LineNoiseRemover
    from npa.recordings.reading import load_recording

    raw = _prepare(load_recording(file, types=dict(args.types)), args)
    return raw if args.line is None else LineNoiseRemover(args.line).fit_transform(raw)


def _prepare(raw: mne.io.BaseRaw, args: Arguments) -> mne.io.BaseRaw:
    """Choose channels as the arguments say; warn about an unlikely line frequency."""
    from mne.utils import warn

    from npa.recordings.preparing import prepare_recording

    if args.line not in (None, "auto") and min(abs(args.line - mains) for mains in MAINS) > 1:
        warn(
            f"--line {args.line:g} is not the frequency of a power line (50 or 60 Hz); it and its "
            "multiples are removed all the same."
        )
    return prepare_recording(raw, **_channel_options(args))


def _channel_options(args: Arguments) -> dict[str, Any]:
    """Return the choice of channels, without types."""
    names = ("picks", "exclude", "bads", "montage", "reference")
    return {name: getattr(args, name) for name in names}


def _cut_trials(raw: mne.io.BaseRaw, args: Arguments) -> mne.Epochs:
    """Cut trials at the annotations, or else at the trigger codes, that were given."""
    import mne
    from mne.utils import warn

    from npa.recordings.containers import across_discontinuity
    from npa.recordings.events import available_events, label_events

    available, names = available_events(raw), list(dict.fromkeys(args.events))
    kind = str if set(names) & set(available) else int
    known = {str(event): event for event in available if isinstance(event, kind)}
    missing = [name for name in names if name not in known]
    if missing:
        there = ", ".join(map(str, available)) or "none"
        raise ValueError(f"--events must be among {there}, got {', '.join(missing)}.")
    _, events = label_events(raw, {name: (known[name],) for name in names})
    event_id = {name: number for number, name in enumerate(names)}
    if args.tmin >= args.tmax:
        raise ValueError(f"--tmin must be below --tmax, got {args.tmin:g} and {args.tmax:g}.")
    span = {"tmin": args.tmin, "tmax": args.tmax, "baseline": None}
    epochs = mne.Epochs(raw, events, event_id, **span, preload=True, verbose="ERROR")
    epochs.drop(across_discontinuity(epochs, raw), reason="BAD boundary", verbose=False)
    dropped = Counter(reason for reasons in epochs.drop_log for reason in reasons[:1])
    if dropped:
        listed = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        if not len(epochs):
            raise ValueError(f"none of {len(events)} trials can be used; dropped are {listed}.")
        warn(f"{len(epochs)} of {len(events)} trials are used; dropped are {listed}.")
    return epochs


def _progress(args: Arguments, unit: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return a progress bar on standard error that wraps an iterable."""
    from tqdm import tqdm

    return partial(tqdm, desc=f"npa {args.command}", unit=unit, file=sys.stderr)
