"""Render the page's data and assets as one HTML document."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.page.content import Page

SCRIPTS = ("dom", "charts", "leaderboard", "methods", "compare", "cost", "bias", "about", "main")
"""Names of the scripts, in the order in which they are concatenated."""
ESCAPED_IN_SCRIPTS = str.maketrans(
    {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}
)
"""JSON escapes for characters that could end a ``<script>`` element."""


def render_page(page: Page) -> str:
    """Return the page; it fetches nothing, and no text from a record is interpreted as HTML or script.

    The content security policy only allows the style sheet and the script with the given hashes.
    """
    style, script = _asset("page.css"), _script()
    return Template(_asset("page.html")).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=data_json(page),
    )


def data_json(page: Page) -> str:
    """Return the page's data as JSON for use inside a ``<script>`` element."""
    text = json.dumps(dataclasses.asdict(page), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPED_IN_SCRIPTS)


def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();'


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
