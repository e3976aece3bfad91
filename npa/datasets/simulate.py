"""EEG with known truth: dipoles in a sphere, a 1/f background, rhythms and blinks."""

from dataclasses import dataclass
from functools import cache

import mne
import numpy as np
from scipy.fft import next_fast_len

from npa.checks import check_number

_CAP, _DEFAULT_CAP = "easycap-M1", "biosemi32"  # the first holds every name of the second
_N_DIPOLES = 128
_DEPTH = 0.8  # radius of the dipoles, of the head's
_BAND = (1.0, 45.0)  # Hz, where the background has its stated amplitude
_FLOOR = 0.5  # Hz, below which the background's spectrum is flat, so that drift does not rule
_ALPHA_AT = ((-0.3, -0.85, 0.25), (0.3, -0.85, 0.25))
_BETA_AT = ((-0.55, -0.1, 0.8), (0.55, -0.1, 0.8))
_EYES_AT = ((-0.31, 0.85, -0.42), (0.31, 0.85, -0.42))
_BURST_WIDTHS = {"alpha": 0.2, "beta": 0.1}  # s, standard deviation of the window
_BLINK_DECAY = 1.5  # potential ~ distance^-1.5 from the eyes: between a monopole and a dipole
_BLINK_RISE, _BLINK_FALL = 0.045, 0.085  # s: lids close faster than they open
_EOG_GAINS = {"VEOG": 2.0, "HEOG": 0.1}  # of the blink, relative to the strongest electrode


@dataclass(frozen=True)
class SimulationTruth:
    """What went into a simulated recording.

    Parameters
    ----------
    exponent, knee : float
        Aperiodic parameters of every EEG channel, from 0.5 Hz to Nyquist.
    alpha_freq, beta_freq : float
        Centres of the rhythms in Hz.
    blink_times : array, shape (n_blinks,)
        Peaks of the blinks in s.
    blink_topography : array, shape (n_eeg,)
        Volts of the average blink at its peak, per EEG channel.
    clean : mne.io.RawArray
        The recording without blinks.
    background : mne.io.RawArray
        Its aperiodic part alone.
    """

    exponent: float
    knee: float
    alpha_freq: float
    beta_freq: float
    blink_times: np.ndarray
    blink_topography: np.ndarray
    clean: mne.io.RawArray
    background: mne.io.RawArray


def simulate_recording(
    *,
    duration=120.0,
    sfreq=256.0,
    ch_names=None,
    exponent=1.0,
    knee=0.0,
    background_amplitude=10e-6,
    alpha_freq=10.0,
    alpha_amplitude=8e-6,
    beta_freq=20.0,
    beta_amplitude=3e-6,
    blink_rate=12.0,
    blink_amplitude=150e-6,
    eog=True,
    line_freq=None,
    line_amplitude=2e-6,
    random_state=0,
):
    """Simulate an EEG recording whose every ingredient is known.

    Parameters
    ----------
    duration : float
        Length in s.
    sfreq : float
        Sampling rate in Hz.
    ch_names : sequence of str | None
        EEG channels, out of the 74 of MNE's ``easycap-M1`` (which holds all 64 of ``biosemi64``);
        None for the 32 of ``biosemi32``.
    exponent, knee : float
        Aperiodic parameters: every EEG channel's background has the power spectrum
        ``1 / (knee + f ** exponent)`` from 0.5 Hz to Nyquist, and a flat one below.
    background_amplitude : float
        Root mean square of the background within 1-45 Hz in V, in the median channel of the cap.
    alpha_freq, beta_freq : float
        Centres of the occipital and the central rhythm in Hz.
    alpha_amplitude, beta_amplitude : float
        Root mean square of the rhythm in V, where the cap feels it most; 0 for none.
    blink_rate : float
        Blinks per minute, at random times at least 0.4 of the mean interval apart; 0 for none.
    blink_amplitude : float
        Height of the average blink in V at the strongest of Fp1, Fpz and Fp2. Heights vary by 20 %.
    eog : bool
        Whether to add the channels ``VEOG`` and ``HEOG``.
    line_freq : float | None
        Frequency of the line noise in Hz; None for none.
    line_amplitude : float
        Root mean square of the line noise in V, in the median channel.
    random_state : int | numpy.random.Generator
        Seed; the same one gives the same recording.

    Returns
    -------
    raw : mne.io.RawArray
        The recording in V, with electrode positions.
    truth : SimulationTruth
        What went into it.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, out of bounds, or names an unknown channel.

    Notes
    -----
    Background: 128 dipoles of random orientation under the upper scalp, in MNE's four-shell sphere
    model, each with an independent Gaussian time course of the stated spectrum. All mixtures of
    these have that spectrum, so the parameters hold for every channel. Rhythms: two dipoles each,
    which emit Gaussian-windowed bursts at random times, about one per s; the expected spectrum is a
    Gaussian of standard deviation 0.56 Hz (alpha) or 1.1 Hz (beta). Blinks: a potential that falls
    off with the distance from the eyes to the power of -1.5, which is how steeply blinks fall off
    over the scalp in recordings, and whose time course rises faster than it decays. Reference:
    infinity.

    Examples
    --------
    >>> raw, truth = simulate_recording(duration=20, blink_rate=12, random_state=1)
    >>> len(raw.ch_names), len(truth.blink_times)
    (34, 4)
    """
    sfreq = check_number("sfreq", sfreq, low=16)
    n_times = round(check_number("duration", duration, low=1) * sfreq)
    colour = (
        sfreq,
        check_number("exponent", exponent, low=0),
        check_number("knee", knee, low=0),
    )
    level = check_number("background_amplitude", background_amplitude, low=0)
    height = check_number("blink_amplitude", blink_amplitude, low=0)
    rate = check_number("blink_rate", blink_rate, low=0, high=60)
    rng = np.random.default_rng(random_state)
    gains, names = _cap_gains(), _cap_names()
    index = _channel_index(ch_names, names)
    ocular = _EOG_GAINS if eog else {}

    background = np.vstack(
        [
            _background_gain(gains["background"], rng)[index]
            @ _coloured(_N_DIPOLES, n_times, *colour, rng),
            _coloured(len(ocular), n_times, *colour, rng),
        ]
    )
    background *= level
    brain = background.copy()
    for name, freq, amplitude in (
        ("alpha", alpha_freq, alpha_amplitude),
        ("beta", beta_freq, beta_amplitude),
    ):
        freq = check_number(f"{name}_freq", freq, above=0, below=sfreq / 2)
        amplitude = check_number(f"{name}_amplitude", amplitude, low=0)
        bursts = _bursts(2, n_times, sfreq, freq, _BURST_WIDTHS[name], rng)
        brain[: len(index)] += amplitude * gains[name][index] @ bursts
    if line_freq is not None:
        line_freq = check_number("line_freq", line_freq, above=0, below=sfreq / 2)
        hum = check_number("line_amplitude", line_amplitude, low=0)
        brain += hum * _hum(len(brain), n_times, line_freq / sfreq, rng)
    times = _blink_times(rate, n_times / sfreq, rng)
    topography = height * gains["blink"][index]
    gain = [*topography, *(height * gain for gain in ocular.values())]
    blinks = np.outer(gain, _blink_course(times, n_times, sfreq, rng))

    info = _info([names[i] for i in index], sfreq, list(ocular), line_freq)
    raw, clean, background = (
        mne.io.RawArray(data, info.copy(), verbose=False)
        for data in (brain + blinks, brain, background)
    )
    freqs = float(alpha_freq), float(beta_freq)
    return raw, SimulationTruth(*colour[1:], *freqs, times, topography, clean, background)


@cache
def _cap_names():
    """Name the electrodes of the cap."""
    return tuple(mne.channels.make_standard_montage(_CAP).ch_names)


@cache
def _cap_gains():
    """Compute how strongly each source reaches each electrode, once per process."""
    info = _info(_cap_names(), 100.0, [], None)
    sphere = mne.make_sphere_model("auto", "auto", info, verbose=False)
    radius = sphere["layers"][-1]["rad"]
    points = _DEPTH * _upper_sphere(_N_DIPOLES)
    spots = _DEPTH * np.concatenate([_unit(_ALPHA_AT), _unit(_BETA_AT)])
    # Three orthogonal moments at each background dipole; the rhythms' point straight outwards.
    where = np.concatenate([np.repeat(points, 3, axis=0), spots]) * radius + sphere["r0"]
    moments = np.concatenate([np.tile(np.eye(3), (_N_DIPOLES, 1)), _unit(spots)])
    ones = np.ones(len(where))
    dipole = mne.Dipole(np.arange(len(where)), where, ones, moments, 100 * ones, verbose=False)
    forward, _ = mne.make_forward_dipole(dipole, sphere, info, verbose=False)
    gain = forward["sol"]["data"]
    scalp = np.array([channel["loc"][:3] for channel in info["chs"]]) - sphere["r0"]
    away = np.linalg.norm(scalp[:, None] - radius * _unit(_EYES_AT), axis=-1)
    blink = (away**-_BLINK_DECAY).sum(axis=1)
    rhythms = gain[:, 3 * _N_DIPOLES :]
    rhythms = {"alpha": rhythms[:, :2], "beta": rhythms[:, 2:]}
    return {
        "background": gain[:, : 3 * _N_DIPOLES].reshape(len(gain), _N_DIPOLES, 3),
        "blink": blink / blink.max(),
        **{name: each / np.linalg.norm(each, axis=1).max() for name, each in rhythms.items()},
    }


def _info(ch_names, sfreq, ocular, line_freq):
    """Describe the recording, with the electrodes where they are on the cap."""
    types = ["eeg"] * len(ch_names) + ["eog"] * len(ocular)
    info = mne.create_info([*ch_names, *ocular], sfreq, types, verbose=False)
    info.set_montage(mne.channels.make_standard_montage(_CAP))
    info["line_freq"] = line_freq
    return info


def _channel_index(ch_names, known):
    """Find the wanted electrodes on the cap."""
    if ch_names is None:
        ch_names = mne.channels.make_standard_montage(_DEFAULT_CAP).ch_names
    wanted = [ch_names] if isinstance(ch_names, str) else list(ch_names)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(
            f"ch_names must be different electrodes of {_CAP} ({', '.join(known)}), "
            f"got {unknown or wanted}."
        )
    return [known.index(name) for name in wanted]


def _unit(vectors):
    """Scale vectors to length 1."""
    vectors = np.asarray(vectors, float)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _upper_sphere(n_points):
    """Spread points evenly over the unit sphere above its lower quarter (a sunflower spiral)."""
    step = np.arange(n_points)
    height = 1 - 1.5 * (step + 0.5) / n_points
    angle = step * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    return np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])


def _background_gain(gain, rng):
    """Turn the dipoles at random, and scale the median channel to unit variance."""
    turned = np.einsum("csd,sd->cs", gain, _unit(rng.standard_normal((gain.shape[1], 3))))
    return turned / np.median(np.linalg.norm(turned, axis=1))


def _coloured(n_signals, n_times, sfreq, exponent, knee, rng):
    """Draw Gaussian noise of unit variance in the band, with power 1 / (knee + f^exponent)."""
    # Longer than needed, so that start and end do not join.
    n_fft = next_fast_len(n_times + int(2 * sfreq), real=True)
    freqs = np.fft.rfftfreq(n_fft, 1 / sfreq)
    power = 1 / (knee + np.maximum(freqs, _FLOOR) ** exponent)
    power[0] = 0
    band = (freqs >= _BAND[0]) & (freqs <= _BAND[1])
    height = n_fft / 2 * np.sqrt(power / power[band].sum())
    spectrum = rng.standard_normal((2, n_signals, len(freqs)))
    return np.fft.irfft(height * (spectrum[0] + 1j * spectrum[1]), n_fft)[:, :n_times]


def _bursts(n_signals, n_times, sfreq, freq, width, rng):
    """Add up Gaussian-windowed sinusoids, one per s on average, to signals of unit variance."""
    out = np.zeros((n_signals, n_times))
    half = int(np.ceil(4 * width * sfreq))
    lags = np.arange(-half, half + 1)
    window = np.exp(-0.5 * (lags / (width * sfreq)) ** 2)
    for signal in out:
        for _ in range(max(1, round(n_times / sfreq))):
            centre = rng.integers(n_times)
            wave = np.cos(2 * np.pi * (freq * lags / sfreq + rng.uniform()))
            inside = (centre + lags >= 0) & (centre + lags < n_times)
            signal[centre + lags[inside]] += (rng.uniform(0.5, 1.5) * window * wave)[inside]
    return out / out.std(axis=1, keepdims=True)


def _hum(n_channels, n_times, freq, rng):
    """Give every channel the same sinusoid, more or less of it."""
    wave = np.sqrt(2) * np.sin(2 * np.pi * freq * np.arange(n_times))
    return np.outer(rng.uniform(0.5, 1.5, n_channels), wave)


def _blink_times(rate, duration, rng):
    """Draw one time within the middle of each interval."""
    n_blinks = round(rate * duration / 60)
    interval = duration / max(n_blinks, 1)
    return (np.arange(n_blinks) + rng.uniform(0.2, 0.8, n_blinks)) * interval


def _blink_course(times, n_times, sfreq, rng):
    """Add up blinks of height about 1: half a Gaussian up, a wider half down."""
    course = np.zeros(n_times)
    for time in times:
        lags = np.arange(n_times) / sfreq - time
        near = np.abs(lags) < 1
        width = np.where(lags[near] < 0, _BLINK_RISE, _BLINK_FALL)
        height = 1 + 0.2 * np.clip(rng.standard_normal(), -2, 2)
        course[near] += height * np.exp(-0.5 * (lags[near] / width) ** 2)
    return course
