"""Generate the parts of the pages on methods, datasets and experiments from the code and the stored runs."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from command_pages import escaped

from bench.data.card import list_cards
from bench.experiments.reader import experiment_names, load_experiment
from bench.plugin.entry import displayed_family
from bench.registry import registry
from bench.report.tables.texts import metric_title
from bench.runs.params import allowed_values, field_docstrings
from bench.runs.record import RunRecord, describe_variant
from bench.runs.store import RunStore

if TYPE_CHECKING:
    from bench.plugin import Entry, Recommender

ROOT = Path(__file__).parent.parent
METHOD_PAGES = ROOT / "docs" / "pages" / "methods"
MEASURED = ROOT / "results" / "measured"


def methods() -> str:
    """Return a table of all methods, for a page in the directory of methods."""
    entries = sorted(registry().entries.values(), key=lambda entry: (entry.family, entry.name))
    rows = [(_linked(one), displayed_family(one.family), one.paper, _needs(one), one.cold_rule) for one in entries]
    return table(("Name", "Family", "Paper", "Needs", "Cold-item rule"), rows)


def method(name: str) -> str:
    """Return facts, departures, hyperparameters and stored runs of one method."""
    entry, recommender = registry().entry(name), registry().recommender(name)
    parts = [
        _facts(entry),
        folded("Departures from the paper", _listed(deviations(recommender))),
        folded("Hyperparameters", _parameters(recommender)),
        folded("Results", _runs(_of_method(name, full_ranking=False), ("ndcg@1", "ndcg@3"))),
        folded("Results on the full catalogue", _runs(_of_method(name, full_ranking=True), ("ndcg@10", "hit@10"))),
    ]
    return "\n\n".join(part for part in parts if part)


def deviations(recommender: type[Recommender]) -> tuple[str, ...]:
    """Return the departures from the paper that a method states with its default parameters, before fitting."""
    return recommender(recommender.Params()).deviations()


def tests(*paths: str) -> str:
    """Return the behaviors that are tested, as one list per test file."""
    return "\n\n".join(folded(f"Tested: {path}", _listed(behaviors(path))) for path in paths)


def behaviors(path: str) -> list[str]:
    """Return the names of the tests in a file as sentences."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    if not names:
        raise ValueError(f"{path} contains no tests")
    return [name.removeprefix("test_").replace("_", " ") for name in names]


def datasets() -> str:
    """Return a table of all dataset cards."""
    rows = [
        (f"`{card.name}`", escaped(card.description), ", ".join(f"`{name}`" for name in card.sources), card.licence)
        for card in list_cards()
    ]
    return table(("Name", "Description", "Default sources", "License"), rows)


def experiments() -> str:
    """Return a table of all experiments."""
    found = [load_experiment(name) for name in experiment_names()]
    rows = [(f"`{item.name}`", escaped(item.caption), str(sum(1 for _ in item.cells()))) for item in found]
    return table(("Name", "Caption", "Runs"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def folded(title: str, content: str) -> str:
    """Return content that is shown when its title is clicked; an empty string if there is no content."""
    if not content:
        return ""
    indented = "\n".join(f"    {line}".rstrip() for line in content.splitlines())
    return f'??? info "{title}"\n\n{indented}'


@cache
def stored_runs() -> tuple[RunRecord, ...]:
    """Return the runs included in the repository."""
    return tuple(RunStore(MEASURED).records())


def _of_method(name: str, full_ranking: bool) -> list[RunRecord]:
    specs = ((record, record.spec) for record in stored_runs())
    return [record for record, spec in specs if (spec.method, spec.full_ranking) == (name, full_ranking)]


def _shown(entry: Entry) -> str:
    return f"{entry.name}:<Class>" if entry.wraps else entry.name


def _linked(entry: Entry) -> str:
    """Return the name with a link to the section with that heading."""
    heading = f"## `{_shown(entry)}`\n"
    found = [path.name for path in sorted(METHOD_PAGES.glob("*.md")) if heading in path.read_text(encoding="utf-8")]
    anchor = re.sub(r"[^\w-]", "", _shown(entry)).lower()  # as MkDocs makes it; the build checks that it is there
    return f"[`{_shown(entry)}`]({found[0]}#{anchor})" if found else f"`{_shown(entry)}`"


def _needs(entry: Entry) -> str:
    kinds = {None: "a language model", "encoder": "an encoder", "seq2seq": "an encoder-decoder"}
    needs = [kinds[entry.backbone_kind]] if entry.needs_backbone else []
    needs += ["titles"] if entry.needs_titles else []
    needs += ["source datasets"] if entry.needs_sources else []
    return ", ".join(needs)


def _facts(entry: Entry) -> str:
    facts: dict[str, str] = {
        "Paper": entry.paper,
        "Family": displayed_family(entry.family),
        "Settings": ", ".join(entry.settings),
        "Needs": _needs(entry),
        "Cold-item rule": entry.cold_rule,
        "Uses unlabeled test queries": "yes" if entry.transductive else "",
        "Generates lists": "yes" if entry.writes_lists else "",
        "Ranks the full catalogue": "yes" if entry.ranks_catalogue else "",
    }
    return "\n".join(f"- **{name}:** {escaped(fact)}" for name, fact in facts.items() if fact)


def _parameters(recommender: type[Recommender]) -> str:
    meanings, allowed = field_docstrings(recommender.Params), allowed_values(recommender.Params)
    rows = [
        (
            f"`{item.name}`",
            f"`{item.default}`",
            escaped(allowed[item.name]),
            escaped(meanings.get(item.name) or item.metadata.get("help", "")),
        )
        for item in dataclasses.fields(recommender.Params)
    ]
    return table(("Name", "Default", "Range", "Meaning"), rows) if rows else ""


def _runs(records: Sequence[RunRecord], metrics: Sequence[str]) -> str:
    rows = [
        (
            record.spec.protocol.dataset,
            record.spec.protocol.setting,
            escaped(describe_variant(record)) or "defaults",
            f"{record.n_queries:,}",
            *(_figure(record, metric) for metric in metrics),
            f"`{record.id}`",
        )
        for record in records
    ]
    titles = (f"{metric_title(metric)} [95% CI]" for metric in metrics)
    head = ("Dataset", "Setting", "Options", "Queries", *titles, "Run")
    return table(head, rows) if rows else ""


def _figure(record: RunRecord, metric: str) -> str:
    figure = record.metrics[metric]
    return f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line[:1].upper() + line[1:].removesuffix('.'))}." for line in lines)
