"""Read any network, brain or machine, by its spectrum."""

from npa.amplifier import NeuralPowerAmplifier
from npa.blinks import BlinkICARemover
from npa.exponent import PSDExponent
from npa.line_noise import LineNoiseRemover
from npa.parameterize import FOOOFFitter
from npa.tagging import FrequencyTagger

__version__ = "0.1.0"

__all__ = [
    "BlinkICARemover",
    "FOOOFFitter",
    "FrequencyTagger",
    "LineNoiseRemover",
    "NeuralPowerAmplifier",
    "PSDExponent",
]
