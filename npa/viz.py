"""Drawings of what the estimators found; each returns its figure."""

from npa.reports.drawing import (
    draw_blinks,
    draw_filter,
    draw_map,
    draw_maps,
    draw_power,
    draw_slopes,
    draw_spectrum,
    draw_tags,
)

__all__ = [
    "draw_blinks",
    "draw_filter",
    "draw_map",
    "draw_maps",
    "draw_power",
    "draw_slopes",
    "draw_spectrum",
    "draw_tags",
]
