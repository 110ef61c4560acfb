"""Strict reading of experiment files: an unknown key or a wrong value names the file, the key and what is near."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError, near_names, unknown_name
from bench.experiment import Experiment, ExperimentDataset, ExperimentRow, PublishedReference
from bench.metrics import Metric
from bench.published import published_papers, published_tables
from bench.shipped import shipped_folder
from bench.significance import TESTS
from bench.spec import CANDIDATES, DEFAULT_BACKBONE, POLICIES, SETTINGS

REQUIRED = ("name", "caption", "datasets", "settings", "metrics", "rows")
OPTIONAL = (
    *("seeds", "backbone", "policy", "protocol_seed", "limit_queries", "star", "percent", "published"),
    "candidates",
)
ROW_KEYS = ("method", "label", "params", "backbone", "ranking", "reference", "settings", "sources", "train_share")
DATASET_KEYS = ("title", "sources")
PUBLISHED_KEYS = ("paper", "table", "setting", "not_comparable")
STAR_KEYS = ("test", "level", "metrics")
RANKINGS = ("likelihood", "generate")


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
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BenchError(f"Cannot read {path}: {' '.join(str(error).split())}") from error
    fields = _Fields.of(path, "the experiment", content, REQUIRED + OPTIONAL, REQUIRED)
    if fields.text("name") != path.stem:
        raise fields.wrong("name", f"the file's name, '{path.stem}'")
    star = fields.inner("star", STAR_KEYS)
    datasets = _datasets(path, fields)
    targets = [dataset.name for dataset in datasets]
    return Experiment(
        name=fields.text("name"),
        caption=fields.text("caption").strip(),
        rows=tuple(_row(path, number, row, targets) for number, row in enumerate(fields.items("rows"), start=1)),
        datasets=datasets,
        settings=fields.choices("settings", SETTINGS),
        metrics=fields.metrics("metrics"),
        seeds=fields.seeds("seeds", (0,)),
        backbone=fields.text("backbone", DEFAULT_BACKBONE),
        policy=fields.choice("policy", POLICIES, "holdout"),
        protocol_seed=fields.seeds("protocol_seed", (0,))[0],
        limit_queries=fields.count("limit_queries"),
        test=star.choice("test", TESTS, "t-test"),
        level=star.share("level", 0.05),
        star_metrics=star.metrics("metrics") if "metrics" in star.values else None,
        percent=fields.flag("percent"),
        candidates=fields.choices("candidates", CANDIDATES) if "candidates" in fields.values else ("sampled",),
        published=tuple(
            _published(path, number, content)
            for number, content in enumerate(fields.items("published") if "published" in fields.values else [], start=1)
        ),
    )


def _row(path: Path, number: int, content: Any, targets: Collection[str]) -> ExperimentRow:
    fields = _Fields.of(path, f"row {number}", content, ROW_KEYS, ("method",))
    method, sources = fields.text("method"), fields.names("sources")
    if "sources" in fields.values and (not sources or set(sources) & set(targets)):
        raise fields.wrong("sources", "at least one source domain, and no target of the table")
    return ExperimentRow(
        method=method,
        label=fields.text("label", method),
        params=fields.mapping("params"),
        backbone=fields.text("backbone") if "backbone" in fields.values else None,
        ranking=fields.choice("ranking", RANKINGS, None),
        reference=fields.flag("reference"),
        settings=fields.choices("settings", SETTINGS) if "settings" in fields.values else None,
        sources=sources or None,
        train_share=fields.share("train_share", 1.0),
    )


def _published(path: Path, number: int, content: Any) -> PublishedReference:
    fields = _Fields.of(path, f"published table {number}", content, PUBLISHED_KEYS, PUBLISHED_KEYS[:3])
    paper = fields.choice("paper", published_papers(), None)
    return PublishedReference(
        paper=paper,
        table=fields.choice("table", list(published_tables(paper)), None),
        setting=fields.choice("setting", SETTINGS, None),
        not_comparable=fields.text("not_comparable") if "not_comparable" in fields.values else "",
    )


def _datasets(path: Path, fields: _Fields) -> tuple[ExperimentDataset, ...]:
    content = fields.mapping("datasets")
    if not content:
        raise fields.wrong("datasets", "a mapping from dataset names to 'title' and 'sources'")
    return tuple(_dataset(path, name, inner) for name, inner in content.items())


def _dataset(path: Path, name: str, content: Any) -> ExperimentDataset:
    fields = _Fields.of(path, f"dataset '{name}'", content or {}, DATASET_KEYS)
    sources = fields.names("sources")
    if name in sources:
        raise fields.wrong("sources", f"source domains other than '{name}' itself")
    return ExperimentDataset(name, fields.text("title", name), sources)


class _Fields:
    """The values of one mapping in a file, each read with a check."""

    def __init__(self, path: Path, place: str, values: Mapping[str, Any]) -> None:
        self.path = path
        self.place = place
        self.values = values

    @classmethod
    def of(
        cls, path: Path, place: str, content: Any, known: Collection[str], required: Collection[str] = ()
    ) -> _Fields:
        if not isinstance(content, dict):
            raise BenchError(
                f"{path}: {place} is {type(content).__name__}, expected a mapping with {', '.join(known)}."
            )
        for key in content:
            if key not in known:
                near = near_names(str(key), known)
                hint = f"Did you mean {' or '.join(near)}?" if near else f"Known keys: {', '.join(known)}."
                raise BenchError(f"{path}: unknown key '{key}' in {place}. {hint}")
        for key in required:
            if key not in content:
                raise BenchError(f"{path}: key '{key}' is missing in {place}.")
        return cls(path, place, content)

    def wrong(self, key: str, expected: str) -> BenchError:
        return BenchError(f"{self.path}: '{key}' of {self.place} is {self.values.get(key)!r}, expected {expected}.")

    def inner(self, key: str, known: Collection[str]) -> _Fields:
        return _Fields.of(self.path, f"'{key}'", self.values.get(key) or {}, known)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        return str(self._checked(key, value, isinstance(value, str) and bool(value), "some text"))

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        return bool(self._checked(key, value, isinstance(value, bool), "true or false"))

    def count(self, key: str) -> int | None:
        value = self.values.get(key)
        is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
        return None if value is None else int(self._checked(key, value, is_count, "a whole number above 0"))

    def share(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        is_share = value == default or (isinstance(value, float) and 0 < value < 1)
        return float(self._checked(key, value, is_share, "a number between 0 and 1"))

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.values.get(key) or {}
        is_named = isinstance(value, dict) and all(isinstance(name, str) for name in value)
        return dict(self._checked(key, value, is_named, "a mapping from names"))

    def items(self, key: str) -> list[Any]:
        value = self.values.get(key)
        return list(
            self._checked(key, value, isinstance(value, list) and bool(value), "a list with at least one entry")
        )

    def names(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key) or []
        is_names = isinstance(value, list) and all(isinstance(name, str) for name in value)
        return tuple(self._checked(key, value, is_names, "a list of names"))

    def seeds(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.values.get(key, list(default))
        seeds = value if isinstance(value, list) else [value]
        is_seeds = bool(seeds) and all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
        self._checked(key, value, is_seeds and len(set(seeds)) == len(seeds), "different whole numbers")
        return tuple(seeds)

    def metrics(self, key: str) -> tuple[str, ...]:
        return tuple(self._each(key, _is_metric, "metrics such as ndcg@1, hit@3 or mrr@5"))

    def choices(self, key: str, known: Collection[Any]) -> tuple[Any, ...]:
        return tuple(self._each(key, lambda value: value in known, f"a list of {' or '.join(known)}"))

    def choice(self, key: str, known: Collection[Any], default: Any) -> Any:
        value = self.values.get(key, default)
        return self._checked(key, value, value == default or value in known, " or ".join(known))

    def _each(self, key: str, accepts: Callable[[Any], bool], expected: str) -> list[Any]:
        values = self.items(key)
        is_right = all(isinstance(value, str) and accepts(value) for value in values)
        return list(self._checked(key, values, is_right and len(set(values)) == len(values), expected))

    def _checked(self, key: str, value: Any, is_right: bool, expected: str) -> Any:
        if not is_right:
            raise self.wrong(key, expected)
        return value


def _is_metric(text: str) -> bool:
    try:
        Metric.parse(text)
    except ValueError:
        return False
    return True
