"""The HTML report of all stored runs, a self-contained file.

``content`` and ``overview_content`` define the data of the page. ``boards``, ``user_analysis``, ``query_views``,
``summary``, ``published`` and ``run_facts`` compute its parts from the store, and ``build`` combines them. ``bounds``
keeps a large store's page small, ``leaderboard`` turns rows into cells, and ``render`` writes templates, data and assets
to one file.

Tables are jinja2 templates, so they can be read without scripts. What depends on a reader's choice is drawn by scripts
from embedded data: charts, comparisons, queries and runs. Charts are SVG of our own instead of a library's. The smallest
library whose wheel contains its script (bokeh) adds 1.3 MB to a page of 1 MB, and plotly 4.8 MB. Bokeh, plotly and vega
also need inline styles or ``eval``, which the page's policy forbids because titles come from strangers. SVG follows the
color scheme by CSS, prints sharply, and its points are links with labels.
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
