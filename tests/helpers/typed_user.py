"""What a typed user writes; `test_typing` checks it with mypy, and it is never run.

Every line that is wrong names the code of the error that mypy must report there.
"""

from typing import assert_type

import mne

import npa
from npa.reports import BlinkReport, FilterReport, SpectrumReport
from npa.spectral import SpectralFit, fit_spectra, psd
from npa.typing import FloatArray


def right(x: FloatArray, raw: mne.io.Raw, epochs: mne.Epochs) -> None:
    """Use the package as it is meant."""
    amplifier = npa.NeuralPowerAmplifier(npa.FOOOFFitter((1, 40)), response="whitening")
    assert_type(amplifier.fit(raw), npa.NeuralPowerAmplifier)
    assert_type(amplifier.transform(raw), mne.io.Raw)
    assert_type(amplifier.fit_transform(epochs), mne.Epochs)
    assert_type(amplifier.fit_transform(x), FloatArray)
    assert_type(amplifier.spectrum_, SpectrumReport)
    assert_type(amplifier.filters_, FilterReport | dict[str, FilterReport] | None)
    assert_type(npa.BlinkICARemover(eog="VEOG").fit(raw).blinks_, BlinkReport)
    assert_type(npa.BlinkICARemover().fit_transform(raw), mne.io.Raw)
    assert_type(npa.LineNoiseRemover([50.0, 100.0]).fit_transform(epochs), mne.Epochs)
    assert_type(npa.PSDExponent(freq_range=(2, 40), aggregate="mean").fit_transform(x), FloatArray)
    assert_type(npa.FrequencyTagger((6.0, 7.5), measure="zscore").fit_transform(raw), FloatArray)
    assert_type(npa.FOOOFFitter(max_n_peaks=3).fit(epochs).spectrum_.exponent, float)
    freqs, power = psd(x, 256.0, freq_range=(1, 45))
    assert_type(freqs, FloatArray)
    assert_type(fit_spectra(freqs, power[0]), SpectralFit)


def wrong(raw: mne.io.Raw, epochs: mne.Epochs) -> None:
    """Make the mistakes that a type checker finds."""
    npa.NeuralPowerAmplifier(respond="whitening")  # error: call-arg
    npa.NeuralPowerAmplifier(response="white")  # error: arg-type
    npa.NeuralPowerAmplifier(fooof="fixed")  # error: arg-type
    npa.FOOOFFitter(freq_range=40)  # error: arg-type
    npa.PSDExponent(fmin=2)  # error: call-arg
    npa.PSDExponent(regression="lasso")  # error: arg-type
    npa.FrequencyTagger()  # error: call-arg
    npa.LineNoiseRemover(freqs="50 Hz")  # error: arg-type
    npa.BlinkICARemover(min_blinks="five")  # error: arg-type
    npa.FOOOFFitter().fit("recording.fif")  # error: arg-type
    npa.LineNoiseRemover().fit_transform("recording.fif")  # error: call-overload
    _clean: mne.Epochs = npa.LineNoiseRemover().fit_transform(raw)  # error: assignment
    _exponent: str = npa.FOOOFFitter().fit(epochs).spectrum_.exponent  # error: assignment
    psd([1.0, 2.0], sfreq="256")  # error: arg-type
