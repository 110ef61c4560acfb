"""Output formats of tables: text, Markdown, LaTeX, CSV, HTML and JSON.

The formats are listed in ``render``. ``latex_layout`` and ``latex_text`` fit a table to a page, ``latex_pdf`` compiles
it.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.formats.csv_json import to_csv, to_json
    from bench.report.formats.html import to_html
    from bench.report.formats.latex import to_latex
    from bench.report.formats.latex_pdf import compile_pdf
    from bench.report.formats.render import RENDERERS, render_table
    from bench.report.formats.text import to_markdown, to_text
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "RENDERERS",
    "compile_pdf",
    "render_table",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]
