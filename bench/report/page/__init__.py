"""The HTML report of all stored runs, a self-contained file.

``content`` and ``overview_content`` define the data of the page. ``boards``, ``user_analysis``, ``query_views``,
``summary``, ``published`` and ``run_facts`` compute its parts from the store, and ``build`` combines them. ``bounds``
keeps the page of a large store small, ``leaderboard`` turns rows into cells, and ``render`` writes templates, data and
assets to one file.

Tables are jinja2 templates, so they can be read without scripts. What depends on a reader's choice is drawn by scripts
from embedded data: charts, comparisons, queries and runs. Charts are SVG of our own instead of a library's. Of the
charting libraries whose wheels contain their scripts, bokeh adds 1.3 MB to a page of 1 MB, lets-plot 2.9 MB and plotly
4.8 MB; d3 (0.24 MB, in mpld3's wheel) has no charts. Libraries draw on a canvas or set inline styles, and vega needs
``eval``: the page's policy forbids both, because titles come from strangers. Our SVG follows the color scheme by CSS,
prints sharply, and its points are links with labels.
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
