"""Equations as MathML: browsers show them by themselves, so no script and no font has to be fetched."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

MARKED = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
"""What the Markdown extension makes of ``$x$`` and of ``$$x$$``."""


def set_in(page: str) -> str:
    """Return an HTML page whose equations are MathML."""
    return MARKED.sub(_mathml, page)


def _mathml(found: re.Match[str]) -> str:
    latex = html.unescape(found["latex"]).strip()
    if found["open"] == "(":
        return convert(latex)
    return f'<div class="equation">{convert(latex, display="block")}</div>'
