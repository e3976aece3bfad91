"""Stimuli for networks."""
