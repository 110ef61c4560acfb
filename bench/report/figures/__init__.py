"""Plots: ``figure`` computes the points of an experiment's panels, ``draw`` writes them as PDF or PNG.

``learning_curve`` finds the training size at which a method overtakes a reference, ``learning_curve_text`` prints it.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.figures.draw import FORMATS, write_figure
    from bench.report.figures.figure import Figure, Panel, Point, Series, figure_of
    from bench.report.figures.learning_curve import Curve, Curves, learning_curves
    from bench.report.figures.learning_curve_text import curves_to_json, curves_to_text
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "FORMATS",
    "Curve",
    "Curves",
    "Figure",
    "Panel",
    "Point",
    "Series",
    "curves_to_json",
    "curves_to_text",
    "figure_of",
    "learning_curves",
    "write_figure",
]
