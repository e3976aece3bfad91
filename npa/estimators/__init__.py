"""Transformers in scikit-learn's style over MNE objects, one estimator a file."""
