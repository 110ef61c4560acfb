"""Render the page's data, templates and assets as one HTML document."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.plugin.entry import displayed_family
from bench.report.page import leaderboard, number_text
from bench.report.page.bounds import LEVELS, bounded
from bench.report.page.user_analysis import METRIC
from bench.report.tables.texts import metric_title

if TYPE_CHECKING:
    from bench.report.page.content import Page

SCRIPTS = (
    *("dom", "hover", "export", "charts", "tables", "leaderboard", "methods", "runs", "queries", "published"),
    *("compare", "cost", "bias", "main"),
)
"""Names of the scripts, in the order in which they are concatenated."""
MOST_BYTES = 5_000_000
"""Size within which a page is kept."""
ONLY_IN_TEMPLATES = ("summaries", "not_compared", "limits", "left_out")
"""Fields that templates show and no script reads."""
ESCAPED_IN_SCRIPTS = str.maketrans(
    {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}
)
"""JSON escapes for characters that could end a ``<script>`` element."""


def render_page(page: Page, most_bytes: int = MOST_BYTES) -> str:
    """Return the page; it fetches nothing, and no text from a record is interpreted as HTML or script.

    Templates escape every value, scripts only create text nodes, and the content security policy only allows the style
    sheet and the script with the given hashes. Of a large store, the page leaves out parts until it is within
    ``most_bytes``, and says which.
    """
    text = ""
    for bounds in LEVELS:
        text = _rendered(bounded(page, bounds))
        if len(text.encode()) <= most_bytes:
            break
    return text


def data_json(page: Page) -> str:
    """Return the page's data as JSON for use inside a ``<script>`` element."""
    content = {key: value for key, value in dataclasses.asdict(page).items() if key not in ONLY_IN_TEMPLATES}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPED_IN_SCRIPTS)


def address(*parts: str) -> str:
    """Return the address of a part of the page."""
    return "#" + "/".join(quote(part, safe="") for part in parts)


def _rendered(page: Page) -> str:
    style, script = _asset("page.css"), _script()
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            metric=page.metrics.index(METRIC),
            style=Markup(style),  # noqa: S704  # our own files
            style_hash=_hash(style),
            script=Markup(script),  # noqa: S704
            script_hash=_hash(script),
            data=Markup(data_json(page)),  # noqa: S704  # contains no character that could end its element
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": number_text.percent,
        "score": number_text.score,
        "signed": number_text.signed,
        "family": displayed_family,
        "metric_title": metric_title,
    }
    environment.globals |= {"address": address, "leaderboard": leaderboard}
    return environment


def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();'


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
