"""The HTML report of all stored runs, a self-contained file.

``content`` defines the data of the page. ``boards``, ``user_analysis`` and ``run_facts`` compute its parts from the
store, ``build`` combines them, and ``render`` writes data and assets to one file.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.page.build import build_page
    from bench.report.page.content import Page
    from bench.report.page.render import render_page
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["Page", "build_page", "render_page"]
