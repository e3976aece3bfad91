"""Figures of reports, maps and spectra; each function returns its figure."""

from npa.reports import BlinkReport, FilterReport, SlopeReport, SpectrumReport, TagReport
from npa.reports.drawing import draw_map, draw_maps, draw_power

draw_blinks = BlinkReport.plot
draw_filter = FilterReport.plot
draw_slopes = SlopeReport.plot
draw_spectrum = SpectrumReport.plot
draw_tags = TagReport.plot

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
