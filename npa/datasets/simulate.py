"""Simulated EEG with known parameters: 1/f background, rhythms, blinks and line noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import mne
import numpy as np
from scipy.fft import next_fast_len

from npa.checks import check_bool, check_names, check_number, check_option, check_random_state
from npa.typing import FloatArray

MAX_DURATION, MAX_SFREQ = 1e6, 1e6  # s, Hz: more would fill any memory
_DEFAULT_ELECTRODES = "biosemi32"  # all of which easycap-M1 holds
_N_DIPOLES = 128
_DIPOLE_RADIUS = 0.8  # of the head's
_AMPLITUDE_RANGE = (1.0, 45.0)  # Hz, where the background has its stated amplitude
_FLAT_BELOW = 0.5  # Hz; the background is flat below, so that drift does not dominate
_ALPHA_SOURCES = ((-0.3, -0.85, 0.25), (0.3, -0.85, 0.25))
_BETA_SOURCES = ((-0.55, -0.1, 0.8), (0.55, -0.1, 0.8))
_EYES = ((-0.31, 0.85, -0.42), (0.31, 0.85, -0.42))
_BURST_SDS = {"alpha": 0.2, "beta": 0.1}  # s, of the Gaussian window
_BLINK_DECAY = 1.5  # potential ~ distance^-1.5 from the eyes, between monopole and dipole
_BLINK_RISE, _BLINK_FALL = 0.045, 0.085  # s (SD); lids close faster than they open
_EOG_GAINS = {"VEOG": 2.0, "HEOG": 0.1}  # of blinks, relative to the strongest electrode


@dataclass(frozen=True)
class SimulationTruth:
    """The parameters of a simulated recording.

    Parameters
    ----------
    exponent, knee : float
        Aperiodic parameters of all EEG channels, from 0.5 Hz to Nyquist.
    alpha_freq, beta_freq : float
        Centre frequencies of the rhythms in Hz.
    blink_times : array, shape (n_blinks,)
        Times of the blinks' peaks in s.
    blink_topography : array, shape (n_eeg,)
        Average blink at its peak in V, per EEG channel.
    clean : mne.io.RawArray
        The recording without blinks.
    background : mne.io.RawArray
        Its aperiodic part alone.
    """

    exponent: float
    knee: float
    alpha_freq: float
    beta_freq: float
    blink_times: FloatArray
    blink_topography: FloatArray
    clean: mne.io.RawArray
    background: mne.io.RawArray


def simulate_recording(
    *,
    duration: float = 120.0,
    sfreq: float = 256.0,
    ch_names: str | Sequence[str] | None = None,
    montage: str = "easycap-M1",
    exponent: float = 1.0,
    knee: float = 0.0,
    background_amplitude: float = 10e-6,
    alpha_freq: float = 10.0,
    alpha_amplitude: float = 8e-6,
    beta_freq: float = 20.0,
    beta_amplitude: float = 3e-6,
    blink_rate: float = 12.0,
    blink_amplitude: float = 150e-6,
    eog: bool = True,
    line_freq: float | None = None,
    line_amplitude: float = 2e-6,
    random_state: int | np.random.Generator = 0,
) -> tuple[mne.io.RawArray, SimulationTruth]:
    """Simulate an EEG recording of which all parts are known.

    Parameters
    ----------
    duration : float
        Length in s.
    sfreq : float
        Sampling rate in Hz.
    ch_names : sequence of str | None
        EEG channels, of the montage; None for the 32 of ``biosemi32`` with ``"easycap-M1"``, and
        for all with any other.
    montage : str, default "easycap-M1"
        One of MNE's standard montages. The default has 74 electrodes, among them all 64 of
        ``biosemi64``; ``"biosemi128"`` has 128.
    exponent, knee : float
        Aperiodic parameters: the background of every EEG channel has the power spectrum
        ``1 / (knee + f ** exponent)`` from 0.5 Hz to Nyquist, and is flat below.
    background_amplitude : float
        Root mean square of the background within 1-45 Hz in V, in the median channel.
    alpha_freq, beta_freq : float
        Centre frequencies of the occipital and the central rhythm in Hz.
    alpha_amplitude, beta_amplitude : float
        Root mean square of the rhythm in V, in the channel where it is strongest; 0 for none.
    blink_rate : float
        Blinks per minute, at random times that are at least 0.4 of the mean interval apart; 0 for
        none.
    blink_amplitude : float
        Height of the average blink in V at the electrode of the montage where it is strongest, one
        of Fp1, Fpz and Fp2 with the default. Heights vary with a standard deviation of 20 %.
    eog : bool
        Whether to add the EOG channels ``VEOG`` and ``HEOG``.
    line_freq : float | None
        Frequency of the line noise in Hz; None for none.
    line_amplitude : float
        Root mean square of the line noise in V, in the median channel.
    random_state : int | numpy.random.Generator
        Seed; the same seed gives the same recording.

    Returns
    -------
    raw : mne.io.RawArray
        The recording in V, with electrode positions.
    truth : SimulationTruth
        The parameters of the recording.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, out of range, or an unknown channel or montage.

    Notes
    -----
    Background: 128 dipoles of random orientation under the upper scalp, in MNE's four-shell sphere
    model, each with an independent Gaussian time course of the given spectrum. All mixtures of
    these have that spectrum, so that the parameters hold for every channel. Rhythms: two dipoles
    each with Gaussian-windowed bursts at random times, about one per s; the expected spectrum is a
    Gaussian of standard deviation 0.56 Hz (alpha) or 1.1 Hz (beta). Blinks: a potential that
    decreases with the distance from the eyes to the power of -1.5, as observed in recordings, and
    rises faster than it decays. Reference: infinity.

    Examples
    --------
    >>> raw, truth = simulate_recording(duration=20, blink_rate=12, random_state=1)
    >>> len(raw.ch_names), len(truth.blink_times)
    (34, 4)
    """
    sfreq = check_number("sfreq", sfreq, low=16, high=MAX_SFREQ)
    n_times = round(check_number("duration", duration, low=1, high=MAX_DURATION) * sfreq)
    spectrum = (
        sfreq,
        check_number("exponent", exponent, low=0),
        check_number("knee", knee, low=0),
    )
    background_rms = check_number("background_amplitude", background_amplitude, low=0)
    height = check_number("blink_amplitude", blink_amplitude, low=0)
    rate = check_number("blink_rate", blink_rate, low=0, high=60)
    line_rms = check_number("line_amplitude", line_amplitude, low=0)
    check_bool("eog", eog)
    rng = check_random_state("random_state", random_state)
    check_option("montage", montage, mne.channels.get_builtin_montages())
    gains, names = _channel_gains(montage), _channel_names(montage)
    index = _channel_index(ch_names, names, montage)
    ocular = _EOG_GAINS if eog else {}

    background = np.vstack(
        [
            _random_orientation(gains["background"], rng)[index]
            @ _colored_noise(_N_DIPOLES, n_times, *spectrum, rng),
            _colored_noise(len(ocular), n_times, *spectrum, rng),
        ]
    )
    background *= background_rms
    brain = background.copy()
    for name, freq, amplitude in (
        ("alpha", alpha_freq, alpha_amplitude),
        ("beta", beta_freq, beta_amplitude),
    ):
        freq = check_number(f"{name}_freq", freq, above=0, below=sfreq / 2)
        amplitude = check_number(f"{name}_amplitude", amplitude, low=0)
        bursts = _bursts(2, n_times, sfreq, freq, _BURST_SDS[name], rng)
        brain[: len(index)] += amplitude * gains[name][index] @ bursts
    if line_freq is not None:
        line_freq = check_number("line_freq", line_freq, above=0, below=sfreq / 2)
        brain += line_rms * _line_noise(len(brain), n_times, line_freq / sfreq, rng)
    times = _blink_times(rate, n_times / sfreq, rng)
    topography = height * gains["blink"][index]
    gain = [*topography, *(height * gain for gain in ocular.values())]
    blinks = np.outer(gain, _blink_course(times, n_times, sfreq, rng))

    info = _info([names[i] for i in index], sfreq, list(ocular), line_freq, montage)
    raw, clean, background = (
        mne.io.RawArray(data, info.copy(), verbose=False)
        for data in (brain + blinks, brain, background)
    )
    freqs = float(alpha_freq), float(beta_freq)
    return raw, SimulationTruth(*spectrum[1:], *freqs, times, topography, clean, background)


@cache
def _channel_names(montage: str) -> tuple[str, ...]:
    """Return the electrodes of a montage."""
    return tuple(mne.channels.make_standard_montage(montage).ch_names)


@cache
def _channel_gains(montage: str) -> dict[str, FloatArray]:
    """Compute the gain of each source at each electrode, once per process."""
    info = _info(_channel_names(montage), 100.0, [], None, montage)
    sphere = mne.make_sphere_model("auto", "auto", info, verbose=False)
    radius = sphere["layers"][-1]["rad"]
    points = _DIPOLE_RADIUS * _upper_sphere(_N_DIPOLES)
    rhythm_positions = _DIPOLE_RADIUS * np.concatenate(
        [_unit(_ALPHA_SOURCES), _unit(_BETA_SOURCES)]
    )
    # Three orthogonal moments per background dipole; those of the rhythms point outwards.
    positions = (
        np.concatenate([np.repeat(points, 3, axis=0), rhythm_positions]) * radius + sphere["r0"]
    )
    moments = np.concatenate([np.tile(np.eye(3), (_N_DIPOLES, 1)), _unit(rhythm_positions)])
    ones = np.ones(len(positions))
    dipole = mne.Dipole(
        np.arange(len(positions)), positions, ones, moments, 100 * ones, verbose=False
    )
    forward, _ = mne.make_forward_dipole(dipole, sphere, info, verbose=False)
    gain = forward["sol"]["data"]
    scalp = np.array([channel["loc"][:3] for channel in info["chs"]]) - sphere["r0"]
    distance = np.linalg.norm(scalp[:, None] - radius * _unit(_EYES), axis=-1)
    blink = (distance**-_BLINK_DECAY).sum(axis=1)
    alpha, beta = np.split(gain[:, 3 * _N_DIPOLES :], [2], axis=1)
    return {
        "background": gain[:, : 3 * _N_DIPOLES].reshape(len(gain), _N_DIPOLES, 3),
        "blink": blink / blink.max(),
        "alpha": alpha / np.linalg.norm(alpha, axis=1).max(),
        "beta": beta / np.linalg.norm(beta, axis=1).max(),
    }


def _info(
    ch_names: Sequence[str],
    sfreq: float,
    ocular: Sequence[str],
    line_freq: float | None,
    montage: str,
) -> mne.Info:
    """Create the measurement info, with electrode positions."""
    types = ["eeg"] * len(ch_names) + ["eog"] * len(ocular)
    info = mne.create_info([*ch_names, *ocular], sfreq, types, verbose=False)
    info.set_montage(mne.channels.make_standard_montage(montage))
    info["line_freq"] = line_freq
    return info


def _channel_index(
    ch_names: str | Sequence[str] | None, known: Sequence[str], montage: str
) -> list[int]:
    """Return the indices of electrodes in the montage."""
    if ch_names is None and montage == "easycap-M1":
        ch_names = _channel_names(_DEFAULT_ELECTRODES)
    if ch_names is None:
        return list(range(len(known)))
    wanted = check_names("ch_names", ch_names)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(
            f"ch_names must be different electrodes of {montage} ({', '.join(known)}), "
            f"got {unknown or wanted}."
        )
    return [known.index(name) for name in wanted]


def _unit(vectors: Any) -> FloatArray:
    """Scale vectors to length 1."""
    vectors = np.asarray(vectors, float)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _upper_sphere(n_points: int) -> FloatArray:
    """Spread points evenly over the upper three quarters of a sphere (Fibonacci spiral)."""
    step = np.arange(n_points)
    height = 1 - 1.5 * (step + 0.5) / n_points
    angle = step * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    return np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])


def _random_orientation(gain: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Orient the dipoles at random, and scale the median channel to unit variance."""
    oriented = np.einsum("csd,sd->cs", gain, _unit(rng.standard_normal((gain.shape[1], 3))))
    return np.asarray(oriented / np.median(np.linalg.norm(oriented, axis=1)))


def _colored_noise(
    n_signals: int,
    n_times: int,
    sfreq: float,
    exponent: float,
    knee: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw Gaussian noise with power 1 / (knee + f^exponent) and unit variance in 1-45 Hz."""
    # Longer than needed, so that start and end are not continuous.
    n_fft = next_fast_len(n_times + int(2 * sfreq), real=True)
    freqs = np.fft.rfftfreq(n_fft, 1 / sfreq)
    power = 1 / (knee + np.maximum(freqs, _FLAT_BELOW) ** exponent)
    power[0] = 0
    inside = (freqs >= _AMPLITUDE_RANGE[0]) & (freqs <= _AMPLITUDE_RANGE[1])
    height = n_fft / 2 * np.sqrt(power / power[inside].sum())
    spectrum = rng.standard_normal((2, n_signals, len(freqs)))
    return np.asarray(np.fft.irfft(height * (spectrum[0] + 1j * spectrum[1]), n_fft)[:, :n_times])


def _bursts(
    n_signals: int, n_times: int, sfreq: float, freq: float, sd: float, rng: np.random.Generator
) -> FloatArray:
    """Sum Gaussian-windowed sinusoids, one per s on average, to signals of unit variance."""
    out = np.zeros((n_signals, n_times))
    half = int(np.ceil(4 * sd * sfreq))
    lags = np.arange(-half, half + 1)
    window = np.exp(-0.5 * (lags / (sd * sfreq)) ** 2)
    for signal in out:
        for _ in range(max(1, round(n_times / sfreq))):
            centre = rng.integers(n_times)
            wave = np.cos(2 * np.pi * (freq * lags / sfreq + rng.uniform()))
            inside = (centre + lags >= 0) & (centre + lags < n_times)
            signal[centre + lags[inside]] += (rng.uniform(0.5, 1.5) * window * wave)[inside]
    return np.asarray(out / out.std(axis=1, keepdims=True))


def _line_noise(n_channels: int, n_times: int, freq: float, rng: np.random.Generator) -> FloatArray:
    """Return the same sinusoid with a random gain per channel; ``freq`` in cycles per sample."""
    wave = np.sqrt(2) * np.sin(2 * np.pi * freq * np.arange(n_times))
    return np.outer(rng.uniform(0.5, 1.5, n_channels), wave)


def _blink_times(rate: float, duration: float, rng: np.random.Generator) -> FloatArray:
    """Draw one time within the middle of each interval."""
    n_blinks = round(rate * duration / 60)
    interval = duration / max(n_blinks, 1)
    return np.asarray((np.arange(n_blinks) + rng.uniform(0.2, 0.8, n_blinks)) * interval)


def _blink_course(
    times: FloatArray, n_times: int, sfreq: float, rng: np.random.Generator
) -> FloatArray:
    """Sum blinks of height about 1: a half Gaussian that rises, and a wider one that falls."""
    course = np.zeros(n_times)
    for time in times:
        lags = np.arange(n_times) / sfreq - time
        near = np.abs(lags) < 1
        width = np.where(lags[near] < 0, _BLINK_RISE, _BLINK_FALL)
        height = 1 + 0.2 * np.clip(rng.standard_normal(), -2, 2)
        course[near] += height * np.exp(-0.5 * (lags[near] / width) ** 2)
    return course
