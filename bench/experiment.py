"""Experiments: one YAML file describes one table, and expands into the runs that the table needs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from bench.registry import Entry
from bench.spec import DEFAULT_BACKBONE, Candidates, ColdPolicy, ProtocolSpec, Ranking, Setting

if TYPE_CHECKING:
    from bench.significance import Test


@dataclass(frozen=True)
class PlannedRun:
    """A run that a table asks for; parameters not named keep the method's defaults."""

    method: str
    dataset: str
    setting: Setting
    policy: ColdPolicy = "holdout"
    protocol_seed: int = 0
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    """Overrides of the method's defaults."""
    sources: tuple[str, ...] = ()
    """Source domains, for a method that uses any."""
    backbone: str | None = None
    """Language model, for a method that uses one."""
    ranking: Ranking | None = None
    """How a causal language model ranks; None is the default, by likelihood."""
    limit_queries: int | None = None
    train_share: float = 1.0
    """Share of the target's training part that is learned from."""
    full_ranking: bool = False
    """Whether positives are ranked among the whole catalogue."""

    @property
    def protocol(self) -> ProtocolSpec:
        """The protocol that the run is planned on."""
        return ProtocolSpec(self.dataset, self.setting, self.policy, self.protocol_seed)

    def command(self, entry: Entry | None = None) -> str:
        """Return the command that makes the run; ``entry`` leaves out what the method does not use."""
        words = ["bench", "run", "--method", self.method, "--dataset", self.dataset, "--setting", self.setting]
        if self.setting == "cold" and self.policy != "holdout":
            words += ["--policy", self.policy]
        if self.protocol_seed:
            words += ["--protocol-seed", str(self.protocol_seed)]
        if self.backbone and (entry is None or entry.needs_backbone):
            words += ["--backbone", self.backbone]
        if self.sources and (entry is None or entry.needs_sources):
            words += ["--sources", ",".join(self.sources)]
        return shlex.join(words + self._rare_options())

    def _rare_options(self) -> list[str]:
        words = ["--ranking", self.ranking] if self.ranking else []
        words += ["--seed", str(self.seed)] if self.seed else []
        words += ["--limit-queries", str(self.limit_queries)] if self.limit_queries else []
        words += ["--train-share", str(self.train_share)] if self.train_share < 1 else []
        words += ["--full-ranking"] if self.full_ranking else []
        for name, value in self.params.items():
            words += ["-p", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        return words


@dataclass(frozen=True)
class ExperimentRow:
    """One row of a table: a method with what sets it apart."""

    method: str
    label: str
    """What the table prints."""
    params: dict[str, Any] = field(default_factory=dict)
    """Overrides of the method's defaults."""
    backbone: str | None = None
    """Language model of this row; None takes the experiment's."""
    ranking: Ranking | None = None
    reference: bool = False
    """Shown for orientation only: takes no mark and is no rival."""
    settings: tuple[Setting, ...] | None = None
    """Settings that this row is run in; None means all of the table's."""
    sources: tuple[str, ...] | None = None
    """Source domains of this row; None takes the dataset's."""
    train_share: float = 1.0
    """Share of the target's training part that this row learns from; smaller shares lie in larger ones."""

    def runs_in(self, setting: Setting) -> bool:
        """Whether the table wants this row in a setting."""
        return self.settings is None or setting in self.settings


@dataclass(frozen=True)
class ExperimentDataset:
    """One target dataset of a table."""

    name: str
    """The card's name."""
    title: str
    """What the table prints."""
    sources: tuple[str, ...] = ()
    """Source domains of this target."""


@dataclass(frozen=True)
class PublishedReference:
    """A printed table whose figures are put beside those of one setting."""

    paper: str
    """Name of a file of published tables."""
    table: str
    setting: Setting
    not_comparable: str = ""
    """Why no verdict can be given on its cells; empty where one can."""


@dataclass(frozen=True)
class ExperimentCell:
    """One run of a table and the place it has there."""

    row: ExperimentRow
    dataset: ExperimentDataset
    setting: Setting
    seed: int
    run: PlannedRun


@dataclass(frozen=True)
class Experiment:
    """A table: rows of methods, columns of datasets x settings x metrics."""

    name: str
    caption: str
    rows: tuple[ExperimentRow, ...]
    datasets: tuple[ExperimentDataset, ...]
    settings: tuple[Setting, ...]
    metrics: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    backbone: str = DEFAULT_BACKBONE
    """Language model of the rows that name none."""
    policy: ColdPolicy = "holdout"
    protocol_seed: int = 0
    limit_queries: int | None = None
    test: Test = "t-test"
    """The test behind the star."""
    level: float = 0.05
    """Corrected p-values below this earn the star."""
    star_metrics: tuple[str, ...] | None = None
    """Metrics whose best value may earn a star; None means all."""
    percent: bool = False
    """Whether figures are printed in percent, with two decimals."""
    published: tuple[PublishedReference, ...] = ()
    """Printed tables to be put beside this one."""
    candidates: tuple[Candidates, ...] = ("sampled",)
    """What positives are ranked among: frozen lists, the whole catalogue, or both side by side."""

    def cells(self) -> Iterator[ExperimentCell]:
        """Yield every run of the table, row by row."""
        for row in self.rows:
            for dataset in self.datasets:
                for setting in filter(row.runs_in, self.settings):
                    for seed, among in product(self.seeds, self.candidates):
                        run = self.planned(row, dataset, setting, seed, among)
                        yield ExperimentCell(row, dataset, setting, seed, run)

    def planned(
        self,
        row: ExperimentRow,
        dataset: ExperimentDataset,
        setting: Setting,
        seed: int,
        among: Candidates = "sampled",
    ) -> PlannedRun:
        """Return the run behind one row, dataset, setting and seed, positives ranked among these candidates."""
        return PlannedRun(
            method=row.method,
            dataset=dataset.name,
            setting=setting,
            policy=self.policy,
            protocol_seed=self.protocol_seed,
            seed=seed,
            params=row.params,
            sources=dataset.sources if row.sources is None else row.sources,
            backbone=row.backbone or self.backbone,
            ranking=row.ranking,
            limit_queries=self.limit_queries,
            train_share=row.train_share,
            full_ranking=among == "full",
        )
