"""Networks recorded as pseudo-EEG: layers, gates and their signals as channels over time."""
