"""One HTML page of all stored runs, from a file and without a network.

Read in this order: ``content`` (what the page says, as data), ``boards``, ``user_analysis`` and ``run_facts`` (how
each part follows from the store), ``build`` (all of it together), ``render`` (data and assets to one file).
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
