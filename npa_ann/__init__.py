"""Record artificial networks as pseudo-EEG, so that npa's estimators read them."""
