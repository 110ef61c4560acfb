"""MkDocs hooks that replace comments of the form ``<!-- bench: WHAT ARGUMENTS -->`` with generated text.

Hyperparameters, commands, experiments, datasets, stored runs and the tested behaviors of a method are generated from
the code. An unknown comment fails the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import command_pages
import diagnosis_pages
import equations
import growth_pages
import method_pages
import notebook_pages
import option_pages
import result_pages
import scoring_pages

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")
"""What marks a name in the docstrings that the page of the Python API is made of."""
REQUEST = re.compile(r"^<!-- bench: (?P<what>[a-z-]+)(?P<arguments>[^>]*) -->$", re.MULTILINE)
"""Matches a whole line; ``bench: method sasrec`` calls the writer ``method`` with one argument."""
WRITERS: dict[str, Callable[..., str]] = {
    "commands": command_pages.commands,
    "datasets": method_pages.datasets,
    "doubling": diagnosis_pages.doubling,
    "experiments": method_pages.experiments,
    "figure": result_pages.figure,
    "growth": growth_pages.growth,
    "lengths": diagnosis_pages.lengths,
    "method": method_pages.method,
    "methods": method_pages.methods,
    "notebook": notebook_pages.notebook,
    "options": option_pages.options,
    "popularity": diagnosis_pages.popularity,
    "result": result_pages.result,
    "scorings": scoring_pages.scorings,
    "stability": diagnosis_pages.stability,
    "tests": method_pages.tests,
}


def filled(markdown: str) -> str:
    """Return a page with its comments replaced; raise ValueError for an unknown comment."""
    return REQUEST.sub(lambda found: _answer(found["what"], found["arguments"].split()), markdown)


def _answer(what: str, arguments: list[str]) -> str:
    if what not in WRITERS:
        raise ValueError(f"unknown comment '{what}', expected one of {', '.join(WRITERS)}")
    return WRITERS[what](*arguments)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the comments of a page before it is converted to HTML."""
    return filled(markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Set the page's equations as MathML, which browsers show without a script, and names without their roles."""
    return ROLE.sub("", equations.set_in(html))
