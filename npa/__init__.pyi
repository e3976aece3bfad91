from . import batch, datasets, decoding, spectral, trials, viz
from .estimators.amplifier import NeuralPowerAmplifier
from .estimators.blinks import BlinkICARemover
from .estimators.exponent import PSDExponent
from .estimators.line_noise import LineNoiseRemover
from .estimators.parameterize import FOOOFFitter
from .estimators.tag_filter import TagFilter
from .estimators.tagging import FrequencyTagger
from .workflows.blocks import transform_to

__version__: str

__all__ = [
    "BlinkICARemover",
    "FOOOFFitter",
    "FrequencyTagger",
    "LineNoiseRemover",
    "NeuralPowerAmplifier",
    "PSDExponent",
    "TagFilter",
    "batch",
    "datasets",
    "decoding",
    "spectral",
    "transform_to",
    "trials",
    "viz",
]
