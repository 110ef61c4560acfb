"""What the pages take from the code is there, whole and readable."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import command_pages
import equations
import hooks
import method_pages
import pytest
import result_pages
import yaml

import bench
from bench.cli.main import COMMANDS
from bench.data.card import list_cards
from bench.experiments.reader import experiment_names
from bench.registry import registry
from tests.support.documented_commands import pages

ROOT = Path(bench.__file__).parent.parent
PAGES = {name: text for name, text in pages(ROOT).items() if name.startswith("docs/")}
METHODS = [entry.name for entry in registry().entries.values() if not entry.wraps]
NOT_OUR_WORDS = {
    "operator torchvision::nms does not exist",
    "np.float_ was removed in the NumPy 2.0 release",
    "No matching distribution found for ray",
    "No module named 'ray'",
    "A cell shows a dash",
}
"""Headings of the troubleshooting page that other packages say, or nobody."""
TAKE_LONG = {"docs/pages/tutorial.md"}
"""Pages whose commands take more than ten seconds."""
FAMILIES = {name: text for name, text in PAGES.items() if "bench: method " in text}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in TAKE_LONG else ()) for name in PAGES]
)
def test_every_request_of_a_page_is_answered(name: str) -> None:
    text = hooks.filled(PAGES[name])
    assert "<!--" not in text
    assert len(text) >= len(PAGES[name])


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ("bench: metod sasrec", "unknown comment 'metod'"),
        ("bench: method sasrek", "Unknown method 'sasrek'"),
        ("bench: tests tests/no_such_file.py", "No such file"),
        ("bench: tests tests/support/command_line.py", "contains no tests"),
    ],
)
def test_a_request_that_nobody_can_answer_stops_the_build(request_: str, fault: str) -> None:
    with pytest.raises(Exception, match=fault):
        hooks.filled(f"# A page\n\n<!-- {request_} -->\n")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_section_with_its_facts(name: str) -> None:
    (text,) = [text for text in FAMILIES.values() if f"\n## `{name}`\n" in text]
    section = text.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    assert f"<!-- bench: method {name} -->" in section
    assert len(section.partition("<!--")[0].strip()) > 20


def test_hyper_parameters_are_shown_with_default_and_meaning() -> None:
    text = method_pages.method("sasrec")
    recommender = registry().recommender("sasrec")
    for item in dataclasses.fields(recommender.Params):
        assert re.search(rf"^    \| `{item.name}` \| `{item.default}` \| \S.*\|$", text, re.MULTILINE), item.name
    assert "[0." in text, "the measured runs stand there with their intervals"


def test_departures_are_found_in_the_class_beside_it_and_where_parameters_make_them() -> None:
    stated = {name: method_pages.deviations(registry().recommender(name)) for name in METHODS}
    assert "Gates learn only from the ranking loss" in " ".join(stated["meteora"])
    assert "best epoch" in stated["fmlp"][0]
    assert "vectors of 128 dimensions instead of 300" in stated["unisrec"]
    assert stated["random"] == ()


def test_a_shipped_table_stands_on_its_page_with_its_notes_folded() -> None:
    text = result_pages.result("baselines-warm")
    assert text.startswith("| Method |")
    assert "| BPR-MF | 0.2268 |" in text
    assert '\n??? info "Caption"\n' in text
    notes = text.partition('\n??? info "Notes"\n')[2]
    assert "    Stored before records contained all data and code versions" in notes


def test_behaviors_are_the_names_of_the_tests() -> None:
    assert "the permutation p value is never zero" in method_pages.behaviors("tests/significance/test_tests.py")


def test_the_lists_name_every_method_dataset_and_experiment() -> None:
    shown = {
        method_pages.methods(): [*METHODS, "recbole:<Class>"],
        method_pages.datasets(): [card.name for card in list_cards()],
        method_pages.experiments(): experiment_names(),
    }
    for text, names in shown.items():
        assert names
        assert sorted(re.findall(r"^\| \[?`([^`]+)`", text, re.MULTILINE)) == sorted(names)


def test_the_page_of_commands_has_every_command_and_option_and_no_sign_of_clicks() -> None:
    text = command_pages.commands()
    assert [name for name in COMMANDS if f"## bench {name}\n" not in text] == []
    assert "### bench data import\n" in text
    assert "<code>--setting [warm&#124;cold&#124;user-split]</code>" in text
    assert "\b" not in text
    assert "\\b" not in text
    assert "--help`" not in text


def test_signs_of_markdown_are_shown_as_they_are() -> None:
    assert command_pages.escaped("a|b *c* ``d|e``") == "a&#124;b &#42;c&#42; <code>d&#124;e</code>"


def test_equations_become_mathml_without_rest() -> None:
    page = r'<p><span class="arithmatex">\(\sqrt{r/k} &lt; 1\)</span></p><div class="arithmatex">\[x^2\]</div>'
    done = equations.set_in(page)
    assert done.count("<math") == 2
    assert "<msqrt>" in done
    assert '<div class="equation"><math' in done
    assert "arithmatex" not in done


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if "$" in text])
def test_every_equation_is_understood(name: str) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", PAGES[name], flags=re.DOTALL)
    found = [block or inline for block, inline in re.findall(r"\$\$(.+?)\$\$|\$([^$]+)\$", prose, re.DOTALL)]
    for latex in found:
        page = equations.set_in(rf'<span class="arithmatex">\({latex}\)</span>')
        assert "\\" not in page, latex
        assert "merror" not in page, latex


def test_every_page_stands_in_the_contents() -> None:
    contents = (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"[a-z/-]+\.md", yaml.dump(yaml.safe_load(contents)["nav"]))
    assert sorted(f"docs/pages/{path}" for path in listed) == sorted(PAGES)


def test_every_error_of_ours_on_the_troubleshooting_page_is_one_that_is_said() -> None:
    page = PAGES["docs/pages/troubleshooting.md"].partition("## Speed")[0]
    headings = set(re.findall(r"^### (.+)$", page, re.MULTILINE))
    assert headings >= NOT_OUR_WORDS
    said = [text for room in ("bench", "baselines") for path in (ROOT / room).rglob("*.py") for text in texts_of(path)]
    unsaid = {heading for heading in headings - NOT_OUR_WORDS if not any(map(pattern_of(heading).search, said))}
    assert unsaid == set()


PUT_IN = r"…|'minilm'|'cuda'|cannot generate text|\bitem\b|--item-column|--unordered|milliseconds|seconds"
"""What code puts into the messages that the headings show."""


def pattern_of(heading: str) -> re.Pattern[str]:
    """Return what finds a message; an ellipsis, and a name that a message puts in, stand for anything."""
    return re.compile(".*".join(re.escape(part.strip()) for part in re.split(PUT_IN, heading)))


def texts_of(path: Path) -> list[str]:
    """Return the strings in a file; what an f-string puts in is an ellipsis."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found
