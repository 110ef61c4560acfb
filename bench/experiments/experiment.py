"""Experiments: one YAML file describes one table, and expands into the runs that the table needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, get_args

from bench.experiments.scale import DEFAULT_SCALE, Scale
from bench.runs.request import RunRequest
from bench.significance.tests import StarStyle, Test
from bench.spec import CANDIDATES, DEFAULT_BACKBONE, Candidates, ColdPolicy, Ranking, Setting

FigureKind = Literal["lines", "dots"]
FIGURE_KINDS: tuple[FigureKind, ...] = get_args(FigureKind)


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
    """Source domains of this row, which has no run on a target among them; None takes the dataset's."""
    train_share: float = 1.0
    """Share of the target's training part that this row learns from; smaller shares lie in larger ones."""
    group: str = ""
    """What the table prints over this row and its neighbors of the same group, such as a family of methods."""
    x: float | None = None
    """Where a figure draws this row, if not where its own parameters put it."""
    train_users: int | None = None
    """Number of the target's training users that this row learns from, once for each of the table's subsets."""

    def runs_in(self, setting: Setting) -> bool:
        """Whether the table wants this row in a setting."""
        return self.settings is None or setting in self.settings

    def runs_on(self, dataset: str) -> bool:
        """Whether this row has a run on a target: it has none on one of its own source domains."""
        return dataset not in (self.sources or ())


@dataclass(frozen=True)
class ExperimentDataset:
    """One target dataset of a table."""

    name: str
    """The card's name."""
    title: str
    """What the table prints."""
    sources: tuple[str, ...] = ()
    """Source domains of this target."""
    methods: tuple[str, ...] | None = None
    """The only methods whose rows are run on this target, where its data do not serve all; None means all rows."""


@dataclass(frozen=True)
class PaperPlace:
    """A table or figure of a paper."""

    paper: str
    """Name of a file of published tables."""
    place: str
    """``table1``, ``figure4`` …"""

    @property
    def title(self) -> str:
        """The place as people say it: ``table 1``."""
        kind = self.place.rstrip("0123456789")
        return f"{kind} {self.place.removeprefix(kind)}"


@dataclass(frozen=True)
class FigureSpec:
    """What a figure of the table's cells shows."""

    kind: FigureKind
    """``lines``: each row is a point; ``dots``: each row is a dot over each of the table's column groups."""
    y: tuple[str, ...]
    """One row of panels each: metrics of the table, or numbers of the runs' fit reports, such as
    ``merge.weights.specific``."""
    x: str = ""
    """Of ``lines``: a parameter or field of a row (``target_weight``, ``train_share``), or ``n_sources``."""
    x_label: str = ""
    """What stands under the axis."""
    lines: dict[str, str] = field(default_factory=dict)
    """Method -> name of its line; methods of one name share a line."""
    y_labels: dict[str, str] = field(default_factory=dict)
    """What stands beside the panels of a number that is no metric."""


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
    request: RunRequest


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
    train_subsets: tuple[int, ...] = (0,)
    """Choices of training users, of a row that names their number; figures are means over them."""
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
    star_style: StarStyle = "star"
    """Whether a star marks the best, or letters name the rows below each figure."""
    percent: bool = False
    """Whether figures are printed in percent, with two decimals."""
    published: tuple[PublishedReference, ...] = ()
    """Printed tables to be put beside this one."""
    candidates: tuple[Candidates, ...] = ("sampled",)
    """What positives are ranked among: frozen lists, the whole catalogue, or both side by side."""
    adds_full_ranking: bool = False
    """Whether full ranking was asked for beside what the file states."""
    reproduces: tuple[PaperPlace, ...] = ()
    """The tables and figures of papers that this one is made after."""
    figure: FigureSpec | None = None
    """A figure of the table's cells."""
    statistics: tuple[str, ...] = ()
    """Counts of the datasets: such a table has no rows of methods, and its own rows are the datasets."""
    scale: Scale = DEFAULT_SCALE
    """How large the runs are."""
    own_scales: tuple[Scale, ...] = ()
    """Scales that the file states for itself."""

    @property
    def file_name(self) -> str:
        """What the table's files are called: its name, a scale other than the default, and full ranking if added."""
        scale = "" if self.scale.name == DEFAULT_SCALE.name else f"-{self.scale.name}"
        return self.name + scale + "-full-ranking" * self.adds_full_ranking

    def with_full_ranking(self) -> Experiment:
        """Return the table with the whole catalogue beside frozen lists; one that has both stays as it is."""
        if set(self.candidates) == set(CANDIDATES):
            return self
        return replace(self, candidates=CANDIDATES, adds_full_ranking=True)

    def cells(self) -> Iterator[ExperimentCell]:
        """Yield every run of the table, row by row."""
        for row in self.rows:
            for dataset in self.datasets:
                for setting in self.settings:
                    repetitions = self.repetitions(row) if self.wants(row, dataset, setting) else ()
                    for (seed, subset), among in product(repetitions, self.candidates):
                        request = self.request(row, dataset, setting, seed, subset, among)
                        yield ExperimentCell(row, dataset, request)

    def repetitions(self, row: ExperimentRow) -> tuple[tuple[int, int], ...]:
        """Return the seed and the subset of training users of each run behind one figure of a row."""
        subsets = (0,) if row.train_users is None else self.train_subsets
        return tuple((seed, subset) for seed in self.seeds for subset in subsets)

    def wants(self, row: ExperimentRow, dataset: ExperimentDataset, setting: Setting) -> bool:
        """Whether the table has a figure for this row on this dataset in this setting."""
        is_of_dataset = row.runs_on(dataset.name) and (dataset.methods is None or row.method in dataset.methods)
        return is_of_dataset and row.runs_in(setting)

    def command(self, request: RunRequest) -> str:
        """Return the command that makes a run of this table; at another scale than the default all are made by one."""
        if self.scale.name != DEFAULT_SCALE.name:
            return f"bench reproduce {self.name} --scale {self.scale.name}" + " --full-ranking" * self.adds_full_ranking
        return request.command()

    def request(
        self,
        row: ExperimentRow,
        dataset: ExperimentDataset,
        setting: Setting,
        seed: int,
        subset: int = 0,
        among: Candidates = "sampled",
    ) -> RunRequest:
        """Return the run behind one row, dataset, setting, seed and subset of training users.

        It names the table's sources and backbone also where the method uses none, and no parameters of the scale: which
        of them a method has is known to its class alone. ``among`` says what positives are ranked among.
        """
        return RunRequest(
            method=row.method,
            dataset=dataset.name,
            setting=setting,
            policy=self.policy,
            protocol_seed=self.protocol_seed,
            params=row.params,
            backbone=row.backbone or self.backbone,
            sources=dataset.sources if row.sources is None else row.sources,
            ranking=row.ranking,
            seed=seed,
            train_share=row.train_share,
            train_users=row.train_users,
            train_subset=subset,
            limit_validation=self.scale.validation_queries,
            limit_queries=self.limit_queries,
            full_ranking=among == "full",
        )
