"""Shipped tables and plots for the pages."""

from __future__ import annotations

import base64
import html
import struct
import tempfile
from pathlib import Path

from method_pages import MEASURED, ROOT, folded

from bench.experiments.scale import DEFAULT_SCALE
from bench.registry import registry
from bench.report.experiment_report import experiment_at, report_of
from bench.report.figures.draw import write_figure

TABLES = ROOT / "results" / "tables"
PNG_WIDTH_AT = 16
"""Offset of the width (in dots) in a PNG file."""
DOTS_PER_PIXEL = 2


def result(name: str) -> str:
    """Return a shipped table, with its caption and notes collapsed."""
    caption, table, notes = (TABLES / f"{name}.md").read_text(encoding="utf-8").split("\n\n", maxsplit=2)
    return "\n\n".join([table, folded("Caption", caption), folded("Notes", notes.strip())])


def figure(name: str) -> str:
    """Return an experiment's plot, drawn from the shipped records and embedded in the page."""
    report = report_of(experiment_at(name, DEFAULT_SCALE.name, registry()), MEASURED, registry())
    with tempfile.TemporaryDirectory() as folder:
        (drawing,) = write_figure(report.figure(), Path(folder), ("png",))
        content = drawing.read_bytes()
    (width,) = struct.unpack_from(">I", content, PNG_WIDTH_AT)
    caption = html.escape(report.experiment.caption)
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return f'<img class="figure" width="{width // DOTS_PER_PIXEL}" alt="{caption}" src="{source}">'
