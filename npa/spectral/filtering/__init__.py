"""Gain curves and the filters that realise them."""
