"""Readers of published corpora, from their archives or folders, as arrays."""

from npa_ann.corpora.archives import find_corpus, iter_members
from npa_ann.corpora.cifar10 import Images, read_cifar10
from npa_ann.corpora.imdb import PAD, UNKNOWN, build_vocabulary, encode, read_imdb, tokenize
from npa_ann.corpora.mnist import read_mnist
from npa_ann.corpora.splits import split_indices

__all__ = [
    "PAD",
    "UNKNOWN",
    "Images",
    "build_vocabulary",
    "encode",
    "find_corpus",
    "iter_members",
    "read_cifar10",
    "read_imdb",
    "read_mnist",
    "split_indices",
    "tokenize",
]
