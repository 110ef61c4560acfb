"""``bench describe``: a method's hyperparameters, the card of a dataset or backbone, or the meaning of a metric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.completion import complete_methods_and_datasets
from bench.cli.options import data_dir_option, json_option
from bench.errors import BenchError, unknown_name
from bench.spec import EXTERNAL

if TYPE_CHECKING:
    from bench.lm.backbones import BackboneCard

EXAMPLES = """\b
Examples:
  bench describe reccocktail
  bench describe beauty --json
  bench describe smollm2
  bench describe recall@5
"""


LABELS = {
    "target": "class",
    "runs_on": "language model",
    "writes_lists": "generates lists",
    "cold_rule": "cold-item rule",
    "wraps": "takes a class name",
    "privileged": "sees the answers",
    "ranks_catalogue": "ranks the full catalogue",
    "needs_titles": "uses titles",
    "needs_sources": "uses source datasets",
    "one_a_day": "one interaction per user and day",
    "order_as_days": "order used as days",
}
"""Displayed names of fields whose names are not self-explanatory."""


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_methods_and_datasets)
@data_dir_option
@json_option
def describe(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Show a method's parameters with their defaults, the card of a dataset or backbone, or the meaning of a metric."""
    facts = _facts(name, data_dir)
    click.echo(json.dumps(facts, indent=2) if as_json else _text(facts))


def _facts(name: str, data_dir: Path | None) -> dict[str, Any]:
    from bench.lm.backbones import CARDS
    from bench.report.metric_names import metric_named

    if name in CARDS:
        return _backbone_facts(CARDS[name])
    metric = metric_named(name)
    if metric is not None:
        return _metric_facts(metric)
    return _dataset_facts(name, data_dir) or _method_facts(name, data_dir)


def _dataset_facts(name: str, data_dir: Path | None) -> dict[str, Any] | None:
    import dataclasses

    from bench.data.card import has_card, load_card, own_data_card
    from bench.data.own_data import own_datasets

    if has_card(name):
        return {"kind": "dataset", **dataclasses.asdict(load_card(name))}
    own = own_datasets(data_dir)
    if name in own:
        return {"kind": "dataset", **dataclasses.asdict(own_data_card(name, own[name])), "folder": str(own[name])}
    return None


def _method_facts(name: str, data_dir: Path | None) -> dict[str, Any]:
    import dataclasses

    from bench.data.own_data import dataset_names
    from bench.files.extras import install_command
    from bench.lm.backbones import CARDS
    from bench.registry import registry

    known = registry()
    name = known.named(name)
    if name in known.entries and known.entries[name].wraps:
        return {"kind": "method", **dataclasses.asdict(known.entries[name])}
    try:
        entry = known.entry(name)
    except BenchError:
        if name in known.broken or name.startswith(EXTERNAL):
            raise
        everything = [*known.entries, *CARDS, *dataset_names(data_dir)]
        raise unknown_name("method, dataset, backbone or metric", name, everything, "bench list methods") from None
    facts = {"kind": "method", **dataclasses.asdict(entry), "name": name}
    command = install_command(*entry.needed_extras)
    if command:
        facts["install"] = command
    try:
        recommender = known.recommender(name)
    except BenchError:
        if command:  # the parameters cannot be shown, but the other facts can
            return facts
        raise
    meaning = next(iter((recommender.__doc__ or "").strip().splitlines()), "")
    recipes = {name: dict(recipe) for name, recipe in recommender.recipes.items()}
    return {**facts, "meaning": meaning, "recipes": recipes, "parameters": _parameters(recommender.Params)}


def _backbone_facts(card: BackboneCard) -> dict[str, Any]:
    import dataclasses

    from bench.files.extras import install_command

    facts = {**dataclasses.asdict(card), "kind": "backbone", "architecture": card.kind}
    command = install_command(card.extra) if card.extra else ""
    return {**facts, "install": command} if command else facts


def _metric_facts(name: str) -> dict[str, Any]:
    from bench.metrics import N_CANDIDATES, Metric, chance, same_metric
    from bench.report.tables.texts import metric_title

    metric, other = Metric.parse(name), same_metric(name)
    facts = {"kind": "metric", "name": name, "title": metric_title(name), "meaning": metric.meaning}
    if other != name:
        facts["same_as"] = f"{other}, as each query has one positive"
    level = f"{chance(metric):.4f} for lists of {N_CANDIDATES} candidates"
    return {**facts, "ties": "the mean over all orders of the tied candidates", "chance_level": level}


def _parameters(params_class: Any) -> list[dict[str, Any]]:
    import dataclasses

    from bench.runs.params import aliases_of, allowed_values, field_docstrings

    names = [item.name for item in dataclasses.fields(params_class)]
    meanings, allowed = field_docstrings(params_class), allowed_values(params_class)
    return [
        {
            "name": item.name,
            "aliases": aliases_of(item.name, names),
            "default": item.default,
            "type": str(item.type),
            "range": allowed[item.name],
            "meaning": meanings.get(item.name, item.metadata.get("help", "")),
        }
        for item in dataclasses.fields(params_class)
    ]


def _text(facts: dict[str, Any]) -> str:
    from tabulate import tabulate

    from bench.plugin.entry import displayed_family

    parameters = facts.pop("parameters", None)
    facts["recipes"] = [f"{name}: {_assignments(recipe)}" for name, recipe in facts.get("recipes", {}).items()]
    if "family" in facts:
        facts["family"] = displayed_family(facts["family"])
    rows = [(_label(key), _plain(value)) for key, value in facts.items() if value not in ("", None, False, (), [], {})]
    text = tabulate(rows, tablefmt="plain", disable_numparse=True)
    if not parameters:
        return text
    ranges = ("range",) if any(item["range"] for item in parameters) else ()
    columns = [[item[key] for key in ("name", "default", *ranges, "meaning")] for item in parameters]
    aliases = [f"{alias} for {item['name']}" for item in parameters for alias in item["aliases"]]
    parts = [text, "Parameters (-p name=value)\n" + tabulate(columns, tablefmt="plain", disable_numparse=True)]
    return "\n\n".join([*parts, f"Short names: {', '.join(aliases)}"] if aliases else parts)


def _assignments(recipe: Mapping[str, Any]) -> str:
    """Return a recipe's parameters as they are given on the command line."""
    return " ".join(f"{name}={value}" for name, value in recipe.items()) or "the defaults"


def _label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))


def _plain(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, list | tuple):
        return "; ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item)
    return str(value)
