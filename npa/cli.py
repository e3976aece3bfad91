"""The command ``npa``."""

import argparse
import signal
import sys
from functools import partial
from pathlib import Path


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str | None
        Arguments; None for those of the process.

    Returns
    -------
    code : int
        0, or 1 where the job could not be done (the reason is on standard error).
    """
    args = _parser().parse_args(argv)
    # A polite kill ends like Ctrl-C: through the clean-up of what was half-written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        args.job(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"npa {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"npa {args.command}: interrupted; nothing half-written is left.", file=sys.stderr)
        return 130
    return 0


def _parser():
    """Describe the commands."""
    from npa import __version__

    parser = argparse.ArgumentParser(
        prog="npa", description="Read any network, brain or machine, by its spectrum."
    )
    parser.add_argument("--version", action="version", version=f"npa {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_add_analysis, _add_amplify, _add_batch, _add_exponent, _add_tag, _add_fetch):
        add(commands)
    return parser


def _add_analysis(commands):
    """Describe ``demo`` and ``report``."""
    demo = commands.add_parser(
        "demo", help="analyze a simulated recording (or --data FILE) and report on it"
    )
    demo.add_argument("--data", metavar="FILE", help="any recording that MNE reads")
    demo.add_argument("--out", metavar="DIR", default="npa-demo", help="where the results go")
    report = commands.add_parser("report", help="analyze a recording and report on it")
    report.add_argument("data", metavar="FILE", help="any recording that MNE reads")
    _add_out(report)
    for command in (demo, report):
        command.add_argument(
            "--eog", metavar="NAME", action="append", help="an EOG channel; may be repeated"
        )
        _add_overwrite(command)
        _add_line(command)
        command.set_defaults(job=_analyze)


def _add_amplify(commands):
    """Describe ``amplify``."""
    amplify = commands.add_parser("amplify", help="filter the 1/f background out of recordings")
    amplify.add_argument("files", metavar="FILE", nargs="+", help="recordings that MNE reads")
    amplify.add_argument("--response", choices=("logarithmic", "whitening"), default="logarithmic")
    _add_out(amplify)
    _add_overwrite(amplify)
    _add_line(amplify)
    amplify.set_defaults(job=_amplify)


def _add_batch(commands):
    """Describe ``batch``."""
    batch = commands.add_parser("batch", help="a pipeline on many recordings; resumes when killed")
    batch.add_argument("pipeline", metavar="PIPELINE.yaml", help="estimators and their parameters")
    batch.add_argument("files", metavar="FILE", nargs="*", help="recordings that MNE reads")
    batch.add_argument("--bids", metavar="ROOT", help="take the recordings of a BIDS data set")
    batch.add_argument("--task", metavar="TASK", help="which task of the BIDS data set; else all")
    batch.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        help="where results go; for --bids, ROOT/derivatives/npa where none is given",
    )
    batch.add_argument("--jobs", metavar="N", type=int, default=1, help="recordings at once")
    batch.add_argument("--outputs", nargs="+", choices=("signal", "table", "report"))
    _add_overwrite(batch)
    batch.set_defaults(job=_batch)


def _add_exponent(commands):
    """Describe ``exponent``."""
    exponent = commands.add_parser("exponent", help="slopes of power, as CSV on standard output")
    exponent.add_argument("file", metavar="FILE", help="any recording that MNE reads")
    exponent.add_argument(
        "--freq-range",
        metavar=("LOW", "HIGH"),
        nargs=2,
        type=float,
        default=(2.0, 40.0),
        help="in Hz, default 2 40",
    )
    exponent.add_argument("--robust", action="store_true", help="Theil-Sen regression")
    _add_line(exponent)
    exponent.set_defaults(job=_exponent)


def _add_tag(commands):
    """Describe ``tag``."""
    tag = commands.add_parser("tag", help="responses to frequency tags, as CSV")
    tag.add_argument("file", metavar="FILE", help="any recording that MNE reads")
    tag.add_argument("--freqs", metavar="HZ", type=float, nargs="+", required=True)
    tag.add_argument(
        "--events", metavar="EVENT", nargs="+", help="annotations or codes that start a trial"
    )
    tag.add_argument("--tmin", metavar="S", type=float, default=0.0, help="start of trials")
    tag.add_argument("--tmax", metavar="S", type=float, default=2.0, help="end of trials")
    tag.add_argument("--power", action="store_true", help="SNR of power, not of amplitude")
    _add_line(tag)
    tag.set_defaults(job=_tag)


def _add_fetch(commands):
    """Describe ``fetch``."""
    fetch = commands.add_parser("fetch", help="get a public data set")
    fetch.add_argument("name", metavar="NAME", nargs="?", help="see --list")
    fetch.add_argument("--list", action="store_true", help="say which data sets there are")
    fetch.add_argument("--subject", type=int, help="of eegbci")
    fetch.add_argument("--runs", type=int, nargs="+", help="of eegbci")
    fetch.set_defaults(job=_fetch)


def _add_out(command):
    """Add the folder of results."""
    command.add_argument("-o", "--out", metavar="DIR", required=True, help="where results go")


def _add_overwrite(command):
    """Add the leave to replace."""
    command.add_argument("--overwrite", action="store_true", help="replace earlier results")


def _add_line(command):
    """Add the frequency of line noise."""
    command.add_argument(
        "--line", metavar="HZ", type=float, help="remove line noise of this frequency first"
    )


def _analyze(args):
    """Analyze one recording, write its report and print a summary."""
    import matplotlib as mpl
    import mne

    from npa.recordings.reading import load_recording
    from npa.recordings.staging import staged
    from npa.workflows.recording_report import analyze_recording, save_recording_report
    from npa.workflows.report_page import write_html_report

    mpl.use("Agg")
    mne.set_log_level("WARNING")
    with staged(args.out, overwrite=args.overwrite) as folder:
        if args.data:
            raw, source = load_recording(args.data), str(args.data)
        else:
            from npa.datasets import simulate_recording

            raw, source = (
                simulate_recording(random_state=0)[0],
                "simulated (simulate_recording, seed 0)",
            )
        progress = _progress(args, "step")
        report = analyze_recording(raw, eog=args.eog, line=args.line, progress=progress)
        save_recording_report(report, folder)
        write_html_report(report, folder / "report.html", source)
        written = sorted(path.name for path in folder.iterdir())
    print("\n".join(["", *_summary(report, source)]))
    print(f"\nResults in {Path(args.out).resolve()}:\n  " + "\n  ".join(written))


def _summary(report, source):
    """Yield the lines printed after an analysis."""
    from npa.workflows.report_page import blink_sentence

    raw, spectrum = report.raw, report.spectrum
    yield f"Recording   {source}"
    yield (
        f"            {len(report.table)} data channels, {raw.info['sfreq']:g} Hz, "
        f"{raw.times[-1]:.0f} s"
    )
    yield f"Blinks      {blink_sentence(report.blinks)}"
    yield f"Background  1/f^{spectrum.exponent:.2f}, fit r2 = {spectrum.r_squared:.3f}"
    peaks = ", ".join(f"{cf:.1f} Hz" for cf, _, _ in spectrum.peaks) or "none"
    yield f"Peaks       {peaks}"


def _amplify(args):
    """Amplify recordings one by one; each result appears when it is whole."""
    import mne

    from npa import NeuralPowerAmplifier
    from npa.recordings.staging import refuse_existing, staged

    mne.set_log_level("WARNING")
    names = {f"{Path(file).stem}_amplified_raw.fif": file for file in args.files}
    if len(names) < len(args.files):
        raise ValueError("FILE: two recordings have the same name, and so would their results.")
    if not args.overwrite:
        refuse_existing(args.out, names)
    for name, file in _progress(args, "recording")(names.items()):
        with staged(args.out, overwrite=args.overwrite, only=[name]) as folder:
            raw = _load(file, args.line)
            NeuralPowerAmplifier(response=args.response).fit_transform(raw).save(folder / name)
    print(f"Results in {Path(args.out).resolve()}:\n  " + "\n  ".join(names))


def _batch(args):
    """Run a pipeline on recordings; those that fail are named at the end."""
    import os
    import warnings

    import mne

    # For the workers too: figures are files here, whatever screen there is.
    os.environ["MPLBACKEND"] = "agg"
    from npa.batch import bids_recordings, run

    mne.set_log_level("WARNING")
    if bool(args.files) == bool(args.bids):
        raise ValueError("give either FILE... or --bids ROOT.")
    if args.task and not args.bids:
        raise ValueError(f"--task {args.task} needs --bids ROOT.")
    out = args.out or (Path(args.bids, "derivatives", "npa") if args.bids else None)
    if out is None:
        raise ValueError("-o DIR is missing.")
    recordings = bids_recordings(args.bids, args.task) if args.bids else args.files
    kept = {"outputs": args.outputs} if args.outputs else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* recordings failed; see", RuntimeWarning)
        summary = run(
            args.pipeline, recordings, out, n_jobs=args.jobs, overwrite=args.overwrite, **kept
        )
    summary = summary.drop_duplicates("recording")
    failed = summary[summary["status"] == "failed"]
    print(f"{len(summary) - len(failed)} of {len(summary)} recordings in {Path(out).resolve()}")
    if len(failed):
        lines = (f"  {each.recording}: {each.error}" for each in failed.itertuples())
        told = "\n".join(lines)
        raise ValueError(f"{len(failed)} recording(s) failed; see failed.csv there.\n{told}")


def _exponent(args):
    """Print the slope of every channel."""
    from npa import PSDExponent

    regression = "theilsen" if args.robust else "ols"
    measure = PSDExponent(tuple(args.freq_range), regression=regression)
    table = measure.fit(_load(args.file, args.line)).slopes_.to_frame()
    print(table.drop(columns="epoch").to_csv(index=False, float_format="%.6g"), end="")


def _tag(args):
    """Print the response of every channel at every term."""
    from npa import FrequencyTagger

    signals = _load(args.file, args.line)
    if args.events:
        signals = _trials(signals, args)
    tagger = FrequencyTagger(args.freqs, crop=True, power=args.power)
    print(tagger.fit(signals).tags_.to_frame().to_csv(index=False, float_format="%.6g"), end="")


def _load(file, line):
    """Read a recording, and take the line noise out where asked."""
    from npa import LineNoiseRemover
    from npa.recordings.reading import load_recording

    raw = load_recording(file)
    return raw if line is None else LineNoiseRemover(line).fit_transform(raw)


def _trials(raw, args):
    """Cut trials at annotations of these names, or at these codes of the trigger channel."""
    import mne

    if set(args.events) & set(raw.annotations.description):
        events, codes = mne.events_from_annotations(raw, verbose=False)
    else:
        events = mne.find_events(raw, verbose=False) if "stim" in raw else []
        codes = {str(code): int(code) for code in {event[2] for event in events}}
    missing = [name for name in args.events if name not in codes]
    if missing:
        have = ", ".join(sorted({*codes, *map(str, raw.annotations.description)})) or "none"
        raise ValueError(f"--events must be among {have}, got {', '.join(missing)}.")
    wanted = {name: codes[name] for name in args.events}
    return mne.Epochs(
        raw, events, wanted, args.tmin, args.tmax, baseline=None, preload=True, verbose=False
    )


def _fetch(args):
    """Get a data set, or list them."""
    from npa.datasets import fetch, list_datasets

    if args.list:
        print("\n\n".join(map(str, list_datasets())))
    elif args.name is None:
        raise ValueError("NAME of a data set is missing; npa fetch --list names them.")
    else:
        print(fetch(args.name, subject=args.subject, runs=args.runs))


def _progress(args, unit):
    """Return a progress bar on standard error that wraps an iterable."""
    from tqdm import tqdm

    return partial(tqdm, desc=f"npa {args.command}", unit=unit, file=sys.stderr)
