"""Parse the ``bench`` command lines in pages and help texts with the commands themselves, without executing them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import yaml

from bench.cli.main import cli
from bench.data.card import load_card
from bench.experiments.reader import load_experiment
from bench.lm.backbones import CARDS
from bench.registry import registry
from bench.report.metric_names import checked_metrics, metric_named
from bench.runs.complete import complete
from bench.runs.request import RunRequest, request_options
from bench.runs.sweep import sweep_requests
from bench.spec import EXTERNAL, Setting

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^(?P=indent)```", re.M | re.S
)
INLINE = re.compile(r"`(bench\s[^`]+)`")
ENDS_A_COMMAND = frozenset("|&;<>")
PLACEHOLDER = re.compile(r"[A-Z_]+|.*[<…].*")
"""A placeholder: ``NAME``, ``recbole:<Class>``, ``batch_size=…``."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    """Name of the file that the block shows; empty if it shows none."""
    text: str


@dataclass(frozen=True)
class Shown:
    """One command line."""

    words: tuple[str, ...]
    """Without ``bench``."""
    is_whole: bool
    """Whether a reader can copy it; if not, it is mentioned in a sentence and may be incomplete."""


@dataclass(frozen=True)
class Page:
    """The commands of a text and the names that it defines."""

    shown: tuple[Shown, ...]
    methods: frozenset[str] = frozenset()
    datasets: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    @classmethod
    def of(cls, markdown: str) -> Page:
        found = blocks(markdown)
        shown = tuple(_shown(markdown))
        classes = [block.text for block in found if block.language == "python"]
        cards = [yaml.safe_load(block.text)["name"] for block in found if block.title.startswith("datasets/")]
        imported = [line.words[2] for line in shown if line.words[:2] == ("data", "import") and len(line.words) > 2]
        return cls(
            shown,
            frozenset([*_started(shown, "baseline"), *(name for text in classes for name in _registered(text))]),
            frozenset([*cards, *imported, *_started(shown, "dataset")]),
            frozenset([*(block.title for block in found if block.title), *_experiments(shown)]),
        )


def _started(shown: tuple[Shown, ...], kind: str) -> list[str]:
    """Return the names that 'bench new' is called with."""
    return [line.words[2] for line in shown if line.words[:2] == ("new", kind) and len(line.words) > 2]


def _experiments(shown: tuple[Shown, ...]) -> list[str]:
    return [f"{name}.yaml" for name in _started(shown, "experiment")]


def blocks(markdown: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [Block(m["language"], m["title"] or "", m["text"]) for m in FENCE.finditer(markdown)]


def commands_in(script: str) -> list[tuple[str, ...]]:
    """Return the words after ``bench`` of each such command in shell lines, without variables set before it."""
    words = shlex.shlex(script.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    words.whitespace_split = True
    words.commenters = ""
    found: list[list[str]] = [[]]
    for word in words:
        if set(word) <= ENDS_A_COMMAND:
            found.append([])
        else:
            found[-1].append(word)
    without_variables = [_without_variables(command) for command in found]
    return [tuple(command[1:]) for command in without_variables if command[:1] == ["bench"]]


def complaint(shown: Shown, page: Page) -> str:
    """Return what is wrong with a command line: the command's own error or an unknown name."""
    is_whole = shown.is_whole and "--help" not in shown.words
    try:
        context = _parsed([word for word in shown.words if word != "--help"])
        path = context.command_path.removeprefix("bench ")
        CHECKS.get(path, lambda *_: None)(context.params, page)
    except click.MissingParameter as error:
        return error.format_message() if is_whole else ""
    except click.exceptions.NoArgsIsHelpError:
        return "it says nothing" if is_whole else ""
    except click.ClickException as error:
        return error.format_message()
    except Exception as error:  # any error about a name is the finding
        return f"{type(error).__name__}: {error}"
    return ""


def _parsed(words: list[str]) -> click.Context:
    command: click.Command = cli
    context: click.Context | None = None
    name = "bench"
    while True:
        context = command.make_context(name, words, parent=context)
        if not isinstance(command, click.Group):
            return context
        rest = [*context._protected_args, *context.args]
        found, inner, words = command.resolve_command(context, rest)
        if inner is None or found is None:
            raise click.UsageError(f"no command in {rest}")
        command, name = inner, found


def _method(name: str, page: Page) -> None:
    if name not in page.methods:
        registry().recommender(name)


def _dataset(name: str, page: Page) -> None:
    if name not in page.datasets:
        load_card(name)


def _one_dataset(key: str) -> Callable[[Mapping[str, Any], Page], None]:
    return lambda params, page: _named(params[key], page, _dataset)


def _named(name: str, page: Page, check: Callable[[str, Page], None]) -> None:
    if not PLACEHOLDER.fullmatch(name):
        check(name, page)


def _experiment(name: str | None, page: Page) -> None:
    if name is not None and name not in page.files and not PLACEHOLDER.fullmatch(name):
        load_experiment(name)


def _run(params: Mapping[str, Any], page: Page) -> None:
    method, dataset = params["method"] or params.get("methods") or "", params["dataset"]
    if PLACEHOLDER.fullmatch(method) or PLACEHOLDER.fullmatch(dataset):
        return
    for name in (dataset, *params["sources"]):
        _dataset(name, page)
    if method in page.methods:
        return
    request = RunRequest(**{option.name: params[option.name] for option in request_options()})
    for one in sweep_requests(request, params.get("methods"), params.get("seeds")) or [request]:
        complete(one)


def _named_experiments(params: Mapping[str, Any], page: Page) -> None:
    for name in params["names"]:
        _experiment(name, page)


def _plan(params: Mapping[str, Any], page: Page) -> None:
    _named_experiments(params, page)
    if params["method"]:
        _run(params, page)


def _table(params: Mapping[str, Any], page: Page) -> None:
    if not params["audit"]:  # an audit takes a paper's name
        _experiment(params["name"], page)
    checked_metrics(params["metrics"])
    if params["dataset"]:
        _dataset(params["dataset"], page)


def _compare(params: Mapping[str, Any], page: Page) -> None:
    checked_metrics(params["metrics"])
    for token in (params["run_a"], params["run_b"]):
        method, *rest = token.split("@")
        if rest:
            if not method.startswith(EXTERNAL):
                _method(method, page)
            _dataset(rest[0], page)
            assert rest[1] in get_args(Setting), token
        else:
            int(token, 16)  # the start of an id


def _describe(params: Mapping[str, Any], page: Page) -> None:
    if metric_named(params["name"]) is not None:
        return
    known = {entry.name for entry in registry().entries.values()} | page.methods | set(CARDS)
    if params["name"] not in known:
        _named(params["name"], page, _dataset)


CHECKS: Mapping[str, Callable[[Mapping[str, Any], Page], None]] = {
    "run": _run,
    "plan": _plan,
    "table": _table,
    "reproduce": _named_experiments,
    "curve": lambda params, page: _experiment(params["name"], page),
    "compare": _compare,
    "describe": _describe,
    "candidates": _one_dataset("dataset"),
    "export-task": _one_dataset("dataset"),
    "data prepare": _one_dataset("name"),
    "data verify": _one_dataset("name"),
    "data stats": _one_dataset("name"),
}
"""Checks of the names in a command; commands that are not listed are only parsed."""


def _shown(markdown: str) -> Iterator[Shown]:
    for block in blocks(markdown):
        if block.language == "sh":
            yield from (Shown(words, True) for words in commands_in(without_comments(block.text)))
        elif block.language == "console":
            lines = "\n".join(line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ "))
            yield from (Shown(words, True) for words in commands_in(without_comments(lines)))
    for found in INLINE.finditer(FENCE.sub("", markdown)):
        yield from (Shown(words, False) for words in commands_in(" ".join(_without_signs(found[1]).split())))


def without_comments(script: str) -> str:
    """Return shell lines without comments."""
    return re.sub(r"(^|\s)#.*", "", script)


def _without_signs(text: str) -> str:
    """Replace ``<Class>``, which a shell would interpret as a redirection."""
    return re.sub(r"<\w+>", "…", text)


def _without_variables(words: list[str]) -> list[str]:
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def _registered(source: str) -> list[str]:
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    calls = [mark for node in classes for mark in node.decorator_list if isinstance(mark, ast.Call)]
    return [call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)]


def pages(root: Path) -> dict[str, str]:
    """Return the text of the README and of every page, by path."""
    paths = [root / "README.md", *sorted((root / "docs" / "pages").rglob("*.md"))]
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}
