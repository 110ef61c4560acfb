"""Strict reading of experiment files: an unknown key or a wrong value names the file, the key and what is near."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, get_args

from bench.errors import unknown_name
from bench.experiments.experiment import (
    Experiment,
    ExperimentDataset,
    ExperimentRow,
    FigureSpec,
    PaperPlace,
    PublishedReference,
)
from bench.experiments.scale import SCALES, Scale, with_changes
from bench.files.shipped import shipped_folder
from bench.files.yaml_fields import Document, Fields, Keys
from bench.metrics import Metric
from bench.papers.printed import published_figures, published_papers, published_tables
from bench.significance.tests import STAR_STYLES, TESTS
from bench.spec import CANDIDATES, DEFAULT_BACKBONE, POLICIES, SETTINGS, Ranking

REQUIRED = ("name", "caption", "datasets", "settings", "metrics", "rows")
OPTIONAL = (
    "seeds",
    "train_subsets",
    "backbone",
    "policy",
    "protocol_seed",
    "limit_queries",
    "star",
    "percent",
    "candidates",
    "published",
    "reproduces",
    "figure",
    "scales",
)
STATISTICS_REQUIRED = ("name", "caption", "datasets", "statistics")
STATISTICS_OPTIONAL = ("published", "reproduces")
STATISTICS = ("users", "items", "interactions", "density_percent", "mean_length", "untitled")
"""Counts of a dataset that a table can hold."""
ROW_KEYS = (
    "method",
    "label",
    "params",
    "backbone",
    "ranking",
    "reference",
    "settings",
    "sources",
    "train_share",
    "train_users",
    "group",
    "x",
)
DATASET_KEYS = ("title", "sources", "methods")
PUBLISHED_KEYS = ("paper", "table", "setting", "not_comparable")
PLACE_KEYS = ("paper", "table", "figure")
FIGURE_KEYS = ("kind", "x", "x_label", "y", "y_labels", "lines")
SCALE_KEYS = ("limit_queries", "train_share", "max_examples", "validation_queries", "backbone", "encoder", "says")
STAR_KEYS = ("test", "level", "metrics", "style")
RANKINGS = get_args(Ranking)


def experiment_names(folder: Path | None = None) -> list[str]:
    """Return the names of the experiments that come with the bench (or lie in ``folder``), sorted."""
    return sorted(path.stem for path in (folder or shipped_folder("experiments")).glob("*.yaml"))


def load_experiment(name: str, folder: Path | None = None) -> Experiment:
    """Read an experiment by its name or by the path of a YAML file; BenchError names file, key and near names."""
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return read_experiment(Path(name))
    folder = folder or shipped_folder("experiments")
    if name not in experiment_names(folder):
        raise unknown_name("experiment", name, experiment_names(folder), "bench list experiments")
    return read_experiment(folder / f"{name}.yaml")


def read_experiment(path: Path) -> Experiment:
    """Read one experiment file; raise BenchError for anything that is not exactly as expected."""
    document = Document.read(path)
    if isinstance(document.content, dict) and "statistics" in document.content:
        return _statistics_table(document)
    fields = _top(document, REQUIRED, OPTIONAL)
    star = fields.inner("star", STAR_KEYS)
    datasets = _datasets(document, fields)
    targets = [dataset.name for dataset in datasets]
    return Experiment(
        name=fields.text("name"),
        caption=fields.text("caption").strip(),
        rows=tuple(_row(document, number, row, targets) for number, row in enumerate(fields.items("rows"))),
        datasets=datasets,
        settings=fields.choices("settings", SETTINGS),
        metrics=_metrics(fields),
        seeds=fields.seeds("seeds", (0,)),
        train_subsets=fields.seeds("train_subsets", (0,)),
        backbone=fields.text("backbone", DEFAULT_BACKBONE),
        policy=fields.choice("policy", POLICIES, "holdout"),
        protocol_seed=fields.seeds("protocol_seed", (0,))[0],
        limit_queries=fields.count("limit_queries"),
        test=star.choice("test", TESTS, "t-test"),
        level=star.share("level", 0.05),
        star_metrics=_metrics(star) if star.has("metrics") else None,
        star_style=star.choice("style", STAR_STYLES, "star"),
        percent=fields.flag("percent"),
        candidates=fields.choices("candidates", CANDIDATES) if fields.has("candidates") else ("sampled",),
        published=_published(document, fields),
        reproduces=_reproduces(document, fields),
        figure=_figure(fields) if fields.has("figure") else None,
        own_scales=_own_scales(document, fields),
    )


def _statistics_table(document: Document) -> Experiment:
    """Read a table of counts: its rows are the datasets, and nothing is run for it."""
    fields = _top(document, STATISTICS_REQUIRED, STATISTICS_OPTIONAL)
    return Experiment(
        name=fields.text("name"),
        caption=fields.text("caption").strip(),
        rows=(),
        datasets=_datasets(document, fields),
        settings=(),
        metrics=(),
        published=_published(document, fields),
        reproduces=_reproduces(document, fields),
        statistics=fields.choices("statistics", STATISTICS),
    )


def _top(document: Document, required: Collection[str], optional: Collection[str]) -> Fields:
    fields = Fields.of(document, (), "the experiment", document.content, (*required, *optional), required)
    if fields.text("name") != document.path.stem:
        raise fields.wrong("name", f"the file's name, '{document.path.stem}'")
    return fields


def _row(document: Document, number: int, content: Any, targets: Collection[str]) -> ExperimentRow:
    fields = Fields.of(document, ("rows", number), f"row {number + 1}", content, ROW_KEYS, ("method",))
    method, sources = fields.text("method"), fields.names("sources")
    if fields.has("sources") and (not sources or set(targets) <= set(sources)):
        raise fields.wrong("sources", "at least one source domain, and not every target of the table")
    return ExperimentRow(
        method=method,
        label=fields.text("label", method),
        params=fields.mapping("params"),
        backbone=fields.text("backbone") if fields.has("backbone") else None,
        ranking=fields.choice("ranking", RANKINGS, None),
        reference=fields.flag("reference"),
        settings=fields.choices("settings", SETTINGS) if fields.has("settings") else None,
        sources=sources or None,
        train_share=fields.share("train_share", 1.0),
        train_users=fields.count("train_users"),
        group=fields.text("group") if fields.has("group") else "",
        x=fields.number("x"),
    )


def _published(document: Document, fields: Fields) -> tuple[PublishedReference, ...]:
    return tuple(
        _published_reference(document, ("published", number), f"published table {number + 1}", content)
        for number, content in enumerate(fields.items("published") if fields.has("published") else [])
    )


def _published_reference(document: Document, keys: Keys, place: str, content: Any) -> PublishedReference:
    counts = isinstance(document.content, dict) and "statistics" in document.content
    required = PUBLISHED_KEYS[: 2 if counts else 3]
    fields = Fields.of(document, keys, place, content, PUBLISHED_KEYS, required)
    paper = fields.choice("paper", published_papers(), None)
    return PublishedReference(
        paper=paper,
        table=fields.choice("table", list(published_tables(paper)), None),
        setting=fields.choice("setting", SETTINGS, "warm"),
        not_comparable=fields.text("not_comparable") if fields.has("not_comparable") else "",
    )


def _reproduces(document: Document, fields: Fields) -> tuple[PaperPlace, ...]:
    entries = fields.items("reproduces") if fields.has("reproduces") else []
    return tuple(
        _place(Fields.of(document, ("reproduces", number), f"entry {number + 1} of 'reproduces'", entry, PLACE_KEYS))
        for number, entry in enumerate(entries)
    )


def _place(fields: Fields) -> PaperPlace:
    fields.text("paper")
    paper = fields.choice("paper", published_papers(), None)
    if fields.has("table") == fields.has("figure"):
        raise fields.wrong("table", "either a table or a figure of the paper")
    if fields.has("table"):
        return PaperPlace(paper, fields.choice("table", list(published_tables(paper)), None))
    return PaperPlace(paper, fields.choice("figure", list(published_figures(paper)), None))


def _figure(top: Fields) -> FigureSpec:
    fields = top.inner("figure", FIGURE_KEYS)
    kind = fields.choice("kind", ("lines", "dots"), "lines")
    metrics, labels = _metrics(top), fields.texts("y_labels")
    known = [*metrics, *labels]
    if kind == "lines":
        fields.text("x"), fields.text("x_label")
    elif fields.has("x") or fields.has("lines"):
        raise fields.wrong("x" if fields.has("x") else "lines", "no such key for dots, whose rows stand side by side")
    return FigureSpec(
        kind=kind,
        y=fields.choices("y", known) if fields.has("y") else metrics,
        x=fields.text("x") if fields.has("x") else "",
        x_label=fields.text("x_label") if fields.has("x_label") else "",
        lines=fields.texts("lines"),
        y_labels=labels,
    )


def _own_scales(document: Document, fields: Fields) -> tuple[Scale, ...]:
    content = fields.inner("scales", tuple(SCALES)).values
    return tuple(
        _scale(Fields.of(document, ("scales", name), f"scale '{name}'", changes, SCALE_KEYS), name)
        for name, changes in content.items()
    )


def _scale(fields: Fields, name: str) -> Scale:
    readers: dict[str, Callable[[str], Any]] = {
        "train_share": lambda key: fields.share(key, 1.0),
        **dict.fromkeys(("limit_queries", "max_examples", "validation_queries"), fields.count),
        **dict.fromkeys(("backbone", "encoder", "says"), fields.text),
    }
    return with_changes(name, {key: read(key) for key, read in readers.items() if fields.has(key)})


def _datasets(document: Document, fields: Fields) -> tuple[ExperimentDataset, ...]:
    content = fields.mapping("datasets")
    if not content:
        raise fields.wrong("datasets", "a mapping from dataset names to 'title' and 'sources'")
    return tuple(_dataset(document, name, inner) for name, inner in content.items())


def _dataset(document: Document, name: str, content: Any) -> ExperimentDataset:
    fields = Fields.of(document, ("datasets", name), f"dataset '{name}'", content or {}, DATASET_KEYS)
    sources = fields.names("sources")
    if name in sources:
        raise fields.wrong("sources", f"source domains other than '{name}' itself")
    methods = fields.names("methods") if fields.has("methods") else None
    return ExperimentDataset(name, fields.text("title", name), sources, methods)


def _metrics(fields: Fields) -> tuple[str, ...]:
    return fields.each("metrics", _is_metric, "metrics such as ndcg@1, hit@3 or mrr@5")


def _is_metric(text: str) -> bool:
    try:
        Metric.parse(text)
    except ValueError:
        return False
    return True
