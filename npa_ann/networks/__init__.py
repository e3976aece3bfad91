"""The networks of the studies, untrained or pretrained, and their weights."""

from npa_ann.networks.architectures import (
    eeg_lstm,
    horn_digits,
    lstm_digits,
    plain_cnn,
    pretrained,
    resnet,
    resonant_digits,
    rnn_digits,
    sentiment_lstm,
)
from npa_ann.networks.weights import load_weights, save_weights

__all__ = [
    "eeg_lstm",
    "horn_digits",
    "load_weights",
    "lstm_digits",
    "plain_cnn",
    "pretrained",
    "resnet",
    "resonant_digits",
    "rnn_digits",
    "save_weights",
    "sentiment_lstm",
]
