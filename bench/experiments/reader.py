"""Read experiment files strictly: errors name the file and the invalid key or value, and suggest similar ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.data.names import check_name
from bench.errors import BenchError, canonical_name, unknown_name
from bench.experiments.experiment import (
    FIGURE_KINDS,
    Experiment,
    ExperimentDataset,
    ExperimentRow,
    FigureSpec,
    PaperPlace,
    PublishedReference,
)
from bench.experiments.scale import SCALES, Scale, with_changes
from bench.files.shipped import shipped_folder
from bench.files.yaml_fields import Document, Fields, is_yaml_file
from bench.metrics import Metric
from bench.papers.printed import published_figures, published_papers, published_tables
from bench.significance.tests import STAR_STYLES, TESTS, StarStyle
from bench.spec import CANDIDATES, DEFAULT_BACKBONE, MOST_NEGATIVES, N_NEGATIVES, POLICIES, RANKINGS, SETTINGS

REQUIRED = ("name", "caption", "datasets", "settings", "metrics", "rows")
OPTIONAL = (
    "seeds",
    "train_subsets",
    "backbone",
    "policy",
    "protocol_seed",
    "n_negatives",
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
"""Dataset statistics that a table can contain."""
ROW_KEYS = (
    "method",
    "label",
    "params",
    "backbone",
    "ranking",
    "reference",
    "ours",
    "explained",
    "settings",
    "datasets",
    "sources",
    "train_share",
    "train_users",
    "group",
    "x",
)
DATASET_KEYS = ("title", "sources", "methods", "settings")
PUBLISHED_KEYS = ("paper", "table", "setting", "not_comparable")
PLACE_KEYS = ("paper", "table", "figure")
FIGURE_KEYS = ("kind", "x", "x_label", "y", "y_labels", "lines")
SCALE_READERS: Mapping[str, Callable[[Fields, str], Any]] = MappingProxyType(
    {
        "limit_queries": Fields.count,
        "train_share": lambda fields, key: fields.share(key, 1.0),
        "max_examples": Fields.count,
        "validation_queries": Fields.count,
        "backbone": Fields.text,
        "encoder": Fields.text,
        "says": Fields.text,
    }
)
"""Fields of a scale that an experiment can redefine, with their readers."""
STAR_KEYS = ("test", "level", "metrics", "style")


def experiment_names(folder: Path | None = None) -> list[str]:
    """Return the sorted names of the experiments included in bench (or in ``folder``)."""
    return sorted(path.stem for path in (folder or shipped_folder("experiments")).glob("*.yaml"))


def load_experiment(name: str, folder: Path | None = None) -> Experiment:
    """Read an experiment by name, in any case, or path; BenchError names the file and key, and suggests near names."""
    if is_yaml_file(name):
        return read_experiment(Path(name))
    folder = folder or shipped_folder("experiments")
    known = experiment_names(folder)
    name = canonical_name(name, known)
    if name not in known:
        raise unknown_name("experiment", name, known, "bench list experiments")
    return read_experiment(folder / f"{name}.yaml")


def read_experiment(path: Path) -> Experiment:
    """Read one experiment file; raise BenchError for any unexpected key or value."""
    document = Document.read(path)
    if isinstance(document.content, dict) and "statistics" in document.content:
        return _statistics_table(document)
    fields = _top(document, REQUIRED, OPTIONAL)
    star = fields.inner("star", STAR_KEYS)
    datasets = _datasets(fields)
    targets = [dataset.name for dataset in datasets]
    rows = tuple(_row(row, targets) for row in fields.rows("rows", "row", ROW_KEYS, ("method",)))
    usual_style: StarStyle = "ours" if any(row.ours for row in rows) else "star"
    return Experiment(
        name=fields.text("name"),
        caption=fields.text("caption", is_long=True).strip(),
        rows=rows,
        datasets=datasets,
        settings=fields.choices("settings", SETTINGS),
        metrics=_metrics(fields),
        seeds=fields.seeds("seeds", (0,)),
        train_subsets=fields.seeds("train_subsets", (0,)),
        backbone=fields.text("backbone", DEFAULT_BACKBONE),
        policy=fields.choice("policy", POLICIES, "holdout"),
        protocol_seed=fields.seeds("protocol_seed", (0,))[0],
        n_negatives=_negatives(fields),
        limit_queries=fields.count("limit_queries") if fields.has("limit_queries") else None,
        test=star.choice("test", TESTS, "t-test"),
        level=star.share("level", 0.05),
        star_metrics=_metrics(star) if star.has("metrics") else None,
        star_style=star.choice("style", STAR_STYLES, usual_style),
        percent=fields.flag("percent"),
        candidates=fields.choices("candidates", CANDIDATES) if fields.has("candidates") else ("sampled",),
        published=_published(fields, PUBLISHED_KEYS[:3]),
        reproduces=_reproduces(fields),
        figure=_figure(fields) if fields.has("figure") else None,
        own_scales=_own_scales(fields),
    )


def _statistics_table(document: Document) -> Experiment:
    """Read a table of dataset statistics, which has one row per dataset and no runs."""
    fields = _top(document, STATISTICS_REQUIRED, STATISTICS_OPTIONAL)
    return Experiment(
        name=fields.text("name"),
        caption=fields.text("caption", is_long=True).strip(),
        rows=(),
        datasets=_datasets(fields),
        settings=(),
        metrics=(),
        published=_published(fields, PUBLISHED_KEYS[:2]),
        reproduces=_reproduces(fields),
        statistics=fields.choices("statistics", STATISTICS),
    )


def _top(document: Document, required: Collection[str], optional: Collection[str]) -> Fields:
    fields = Fields.of(document, (), "the experiment", document.content, (*required, *optional), required)
    fields.name_of_file()
    return fields


def _negatives(fields: Fields) -> int:
    if not fields.has("n_negatives"):
        return N_NEGATIVES
    number = fields.count("n_negatives")
    if number > MOST_NEGATIVES:
        raise fields.wrong("n_negatives", f"at most {MOST_NEGATIVES}")
    return number


def _row(fields: Fields, targets: Collection[str]) -> ExperimentRow:
    method, sources = fields.text("method"), fields.names("sources")
    if fields.has("sources") and (not sources or set(targets) <= set(sources)):
        raise fields.wrong("sources", "at least one source domain, and not every target of the table")
    _check_names(fields, *sources)
    if fields.flag("ours") and fields.flag("reference"):
        raise fields.wrong("ours", "no such key in a reference row, which is not compared")
    return ExperimentRow(
        method=method,
        label=fields.text("label", method),
        params=fields.parameters("params"),
        backbone=fields.text("backbone") if fields.has("backbone") else None,
        ranking=fields.choice("ranking", RANKINGS),
        reference=fields.flag("reference"),
        ours=fields.flag("ours"),
        explained=fields.text("explained", ""),
        settings=fields.choices("settings", SETTINGS) if fields.has("settings") else None,
        datasets=fields.choices("datasets", targets) if fields.has("datasets") else None,
        sources=sources or None,
        train_share=fields.share("train_share", 1.0),
        train_users=fields.count("train_users") if fields.has("train_users") else None,
        group=fields.text("group", ""),
        x=fields.number("x") if fields.has("x") else None,
    )


def _published(top: Fields, required: Collection[str]) -> tuple[PublishedReference, ...]:
    return tuple(map(_published_reference, top.rows("published", "published table", PUBLISHED_KEYS, required)))


def _published_reference(fields: Fields) -> PublishedReference:
    paper = fields.choice("paper", published_papers())
    return PublishedReference(
        paper=paper,
        table=fields.choice("table", tuple(published_tables(paper))),
        setting=fields.choice("setting", SETTINGS, "warm"),
        not_comparable=fields.text("not_comparable", ""),
    )


def _reproduces(top: Fields) -> tuple[PaperPlace, ...]:
    return tuple(map(_place, top.rows("reproduces", "reproduced place", PLACE_KEYS, ("paper",))))


def _place(fields: Fields) -> PaperPlace:
    paper = fields.choice("paper", published_papers())
    if fields.has("table") == fields.has("figure"):
        raise fields.wrong("table", "either a table or a figure of the paper")
    if fields.has("table"):
        return PaperPlace(paper, fields.choice("table", tuple(published_tables(paper))))
    return PaperPlace(paper, fields.choice("figure", tuple(published_figures(paper))))


def _figure(top: Fields) -> FigureSpec:
    fields = top.inner("figure", FIGURE_KEYS)
    kind = fields.choice("kind", FIGURE_KINDS, "lines")
    metrics, labels = _metrics(top), fields.texts("y_labels")
    known = [*metrics, *labels]
    if kind == "lines":
        fields.text("x"), fields.text("x_label")
    elif fields.has("x") or fields.has("lines"):
        raise fields.wrong("x" if fields.has("x") else "lines", "no such key for dots, which have no x axis")
    return FigureSpec(
        kind=kind,
        y=fields.choices("y", known) if fields.has("y") else metrics,
        x=fields.text("x", ""),
        x_label=fields.text("x_label", ""),
        lines=fields.texts("lines"),
        y_labels=labels,
    )


def _own_scales(top: Fields) -> tuple[Scale, ...]:
    top.inner("scales", tuple(SCALES))
    return tuple(_scale(fields, name) for name, fields in top.named("scales", "scale", SCALE_READERS).items())


def _scale(fields: Fields, name: str) -> Scale:
    return with_changes(name, {key: read(fields, key) for key, read in SCALE_READERS.items() if fields.has(key)})


def _datasets(top: Fields) -> tuple[ExperimentDataset, ...]:
    if not top.mapping("datasets"):
        raise top.wrong("datasets", "a mapping from dataset names to 'title' and 'sources'")
    found = top.named("datasets", "dataset", DATASET_KEYS)
    for name, fields in found.items():
        _check_names(fields, name)
    return tuple(_dataset(fields, name) for name, fields in found.items())


def _check_names(fields: Fields, *names: str) -> None:
    """Raise BenchError, with the place in the file, if a name is not a valid dataset name."""
    for name in names:
        try:
            check_name(name)
        except BenchError as error:
            raise BenchError(f"{fields.document.at(fields.keys)}: {error}") from error


def _dataset(fields: Fields, name: str) -> ExperimentDataset:
    sources = fields.names("sources")
    _check_names(fields, *sources)
    if name in sources:
        raise fields.wrong("sources", f"source domains other than '{name}' itself")
    methods = fields.names("methods") if fields.has("methods") else None
    settings = fields.choices("settings", SETTINGS) if fields.has("settings") else None
    return ExperimentDataset(name, fields.text("title", name), sources, methods, settings)


def _metrics(fields: Fields) -> tuple[str, ...]:
    return fields.each("metrics", _is_metric, "metrics such as ndcg@1, hit@3, mrr@5 or auc")


def _is_metric(text: str) -> bool:
    try:
        Metric.parse(text)
    except ValueError:
        return False
    return True
