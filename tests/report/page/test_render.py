from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from bench.report.page import render
from bench.report.page.content import Page
from bench.report.page.render import MOST_BYTES, data_json, render_page
from tests.report.page.conftest import HARMFUL, HARMFUL_TITLE


class Elements(HTMLParser):
    """Collects start tags with their attributes, and what stands inside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            tag, attributes = self.tags[-1]
            key = attributes.get("id") or tag
            self.raw[key] = self.raw.get(key, "") + data


@pytest.fixture(scope="module")
def html(page: Page) -> str:
    return render_page(page)


@pytest.fixture(scope="module")
def elements(html: str) -> Elements:
    parser = Elements()
    parser.feed(html)
    return parser


def test_the_data_are_read_back_as_they_were(page: Page, elements: Elements) -> None:
    found = json.loads(elements.raw["data"])
    assert found == json.loads(data_json(page))
    assert found["boards"][0]["rows"][0]["label"] == page.boards[0].rows[0].label
    assert any("<script>" in method["name"] for method in found["methods"])


def test_no_title_ends_a_script_or_starts_an_element(html: str, elements: Elements) -> None:
    assert HARMFUL_TITLE in json.loads(elements.raw["data"])["titles"]
    assert HARMFUL_TITLE not in html
    assert "<img" not in html


def test_no_text_of_a_record_ends_a_script_or_starts_an_element(html: str, elements: Elements) -> None:
    assert [tag for tag, _ in elements.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in elements.tags]
    assert "<script>window" not in html


def test_nothing_is_fetched(html: str, elements: Elements) -> None:
    fetched = [
        value
        for tag, attributes in elements.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action", "ping", "poster", "background")
        or (name == "href" and tag != "a")
    ]
    assert fetched
    assert all(address is not None and address.startswith(("#", "data:")) for address in fetched)
    links = [attributes for tag, attributes in elements.tags if tag == "a"]
    outside = [link for link in links if not str(link["href"]).startswith("#")]
    assert outside
    for link in outside:  # a reader follows them, the page does not
        assert str(link["href"]).startswith(("https://arxiv.org/abs/", "https://doi.org/"))
        assert link["rel"] == "noopener noreferrer"
    assert not re.search(
        r"url\(|@import|fetch\(|XMLHttpRequest|import\(", elements.raw["style"] + elements.raw["script"]
    )


def test_the_policy_allows_this_style_and_this_script_alone(elements: Elements) -> None:
    policy = next(attributes["content"] for _, attributes in elements.tags if "http-equiv" in attributes)
    for name in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(elements.raw[name].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in str(policy)
    assert "default-src 'none'" in str(policy)
    assert "unsafe" not in str(policy)


def test_every_script_of_the_folder_is_in_the_page(elements: Elements) -> None:
    scripts = sorted((Path(render.__file__).parent / "assets").glob("*.js"))
    assert {path.stem for path in scripts} == set(render.SCRIPTS)
    assert all(path.read_text(encoding="utf-8").strip() in elements.raw["script"] for path in scripts)


def test_templates_escape_every_text_of_a_record(html: str, elements: Elements) -> None:
    assert str(escape(HARMFUL)) in html
    shown = [attributes for _, attributes in elements.tags if HARMFUL in str(attributes.get("data-family"))]
    assert shown
    assert not any(name.startswith("on") for _, attributes in elements.tags for name in attributes)


def test_tables_are_readable_without_scripts(html: str) -> None:
    without_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    for text in ("Beauty, warm", "RecCocktail", "Mean rank", "29 sampled negatives", "at or above"):
        assert text in without_scripts


def test_a_page_that_is_too_large_leaves_parts_out_and_says_so(page: Page) -> None:
    whole = render_page(page)
    assert len(whole.encode()) <= MOST_BYTES
    assert "parts of this store are left out" not in whole
    smaller = render_page(page, len(whole.encode()) - 1)
    assert len(smaller) < len(whole)
    assert "To keep the file below 5 MB, parts of this store are left out." in smaller


def test_every_template_is_used() -> None:
    folder = Path(render.__file__).parent / "templates"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    named = "".join(texts.values())
    assert all(f'"{name}"' in named for name in texts if name != "page.html")
