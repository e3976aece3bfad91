"""Stimuli for networks: flickering images."""
