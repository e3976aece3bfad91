"""Ideal gains, and the zero-phase filters that realise them."""
