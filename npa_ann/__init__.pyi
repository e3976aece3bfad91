from . import corpora, dynamics, networks
from .decoding import LSTMDecoder
from .recording.recorder import ActivationRecorder
from .stimulation.flicker import ContrastFlicker

__all__ = [
    "ActivationRecorder",
    "ContrastFlicker",
    "LSTMDecoder",
    "corpora",
    "dynamics",
    "networks",
]
