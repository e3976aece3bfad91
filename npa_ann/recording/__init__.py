"""Networks recorded as MNE epochs: layers, gates and their signals as channels over time."""
