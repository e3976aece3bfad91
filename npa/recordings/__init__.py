"""The only way out of MNE containers and back: signals, channels, files, trials."""
