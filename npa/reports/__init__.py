"""Reports: what an estimator decided, as objects to plot and to export as tables."""

from npa.reports.blink import BlinkReport
from npa.reports.filter import FilterReport
from npa.reports.hum import HumReport
from npa.reports.slope import SlopeReport
from npa.reports.spectrum import SpectrumReport
from npa.reports.tag import TagReport
from npa.reports.tag_filter import TagFilterReport
from npa.reports.time_course import TimeCourse

__all__ = [
    "BlinkReport",
    "FilterReport",
    "HumReport",
    "SlopeReport",
    "SpectrumReport",
    "TagFilterReport",
    "TagReport",
    "TimeCourse",
]
