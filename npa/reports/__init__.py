"""What an estimator decided, as an object to look at, export and check."""

from npa.reports.blink import BlinkReport
from npa.reports.filter import FilterReport
from npa.reports.slope import SlopeReport
from npa.reports.spectrum import SpectrumReport
from npa.reports.tag import TagReport

__all__ = ["BlinkReport", "FilterReport", "SlopeReport", "SpectrumReport", "TagReport"]
