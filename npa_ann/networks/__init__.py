"""The networks of the studies, untrained or pretrained, and their weights."""

from npa_ann.networks.convolutional import plain_cnn, resnet
from npa_ann.networks.digits import horn_digits, lstm_digits, resonant_digits, rnn_digits
from npa_ann.networks.recurrent import eeg_lstm, sentiment_lstm
from npa_ann.networks.weights import load_weights, pretrained, save_weights

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
