"""Experiments: a YAML file defines a table and the runs it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, get_args

from bench.experiments.scale import DEFAULT_SCALE, Scale
from bench.runs.request import RunRequest
from bench.significance.tests import StarStyle, Test
from bench.spec import CANDIDATES, DEFAULT_BACKBONE, N_NEGATIVES, Candidates, ColdPolicy, Ranking, Setting

FigureKind = Literal["lines", "dots"]
FIGURE_KINDS: tuple[FigureKind, ...] = get_args(FigureKind)


@dataclass(frozen=True)
class ExperimentRow:
    """One row of a table: a method with its options."""

    method: str
    label: str
    """Label in the table."""
    params: dict[str, Any] = field(default_factory=dict)
    """Overrides of the method's defaults."""
    backbone: str | None = None
    """Language model of this row; None uses the experiment's."""
    ranking: Ranking | None = None
    reference: bool = False
    """Shown for reference only: not ranked and not compared."""
    settings: tuple[Setting, ...] | None = None
    """Settings of this row; None means all settings of the table."""
    datasets: tuple[str, ...] | None = None
    """Target datasets of this row; None means all of the table."""
    sources: tuple[str, ...] | None = None
    """Source datasets of this row, which is not run on targets among them; None uses those of the target dataset."""
    train_share: float = 1.0
    """Fraction of the target's training data used by this row; smaller fractions are subsets of larger ones."""
    group: str = ""
    """Heading of consecutive rows of the same group, such as a family of methods."""
    x: float | None = None
    """Position of this row on the x axis of a plot; None derives it from the row's parameters."""
    train_users: int | None = None
    """Number of the target's training users used by this row, with one run per subset of the table."""
    ours: bool = False
    """Whether this row is ours: compared with the best row that is not."""
    explained: str = ""
    """Why this row may be below the linear map of title vectors, one sentence; empty if nothing explains it."""

    def runs_in(self, setting: Setting) -> bool:
        """Whether this row is run in a setting."""
        return self.settings is None or setting in self.settings

    def runs_on(self, dataset: str) -> bool:
        """Whether this row is run on a target, which must not be one of its own sources."""
        return dataset not in (self.sources or ()) and (self.datasets is None or dataset in self.datasets)


@dataclass(frozen=True)
class ExperimentDataset:
    """One target dataset of a table."""

    name: str
    """The card's name."""
    title: str
    """Label in the table."""
    sources: tuple[str, ...] = ()
    """Source datasets of this target."""
    methods: tuple[str, ...] | None = None
    """Methods that are run on this target, if its data is not suitable for all; None means all methods."""
    settings: tuple[Setting, ...] | None = None
    """Settings of this target; None means all settings of the table."""

    def runs_in(self, setting: Setting) -> bool:
        """Whether methods are run on this target in a setting."""
        return self.settings is None or setting in self.settings


@dataclass(frozen=True)
class PaperPlace:
    """A table or figure in a paper."""

    paper: str
    """Name of a file of published tables."""
    place: str
    """``table1``, ``figure4`` …"""

    @property
    def title(self) -> str:
        """The place in words, such as ``table 1``."""
        kind = self.place.rstrip("0123456789")
        return f"{kind} {self.place.removeprefix(kind)}"


@dataclass(frozen=True)
class FigureSpec:
    """Definition of a plot of the table's cells."""

    kind: FigureKind
    """``lines``: each row is a point; ``dots``: each row is a dot in each of the table's column groups."""
    y: tuple[str, ...]
    """Metrics of the table, or numbers in the runs' fit reports such as ``merge.weights.specific``; each gets one row
    of panels."""
    x: str = ""
    """For ``lines``: a parameter or field of a row (``target_weight``, ``train_share``), or ``n_sources``."""
    x_label: str = ""
    """Label of the x axis."""
    lines: dict[str, str] = field(default_factory=dict)
    """Method -> name of its line; methods with the same name share a line."""
    y_labels: dict[str, str] = field(default_factory=dict)
    """Labels of the y axis for numbers that are not metrics."""


@dataclass(frozen=True)
class PublishedReference:
    """A published table that is compared with the results in one setting."""

    paper: str
    """Name of a file of published tables."""
    table: str
    setting: Setting
    not_comparable: str = ""
    """Why its cells cannot be compared; empty if they can."""


@dataclass(frozen=True)
class ExperimentCell:
    """One run of a table and its place in the table."""

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
    """Indices of random subsets of training users, for rows with ``train_users``; scores are means over subsets."""
    backbone: str = DEFAULT_BACKBONE
    """Language model of rows that do not set their own."""
    policy: ColdPolicy = "holdout"
    protocol_seed: int = 0
    n_negatives: int = N_NEGATIVES
    """Number of negatives per query."""
    limit_queries: int | None = None
    test: Test = "t-test"
    """The significance test for the star."""
    level: float = 0.05
    """Significance level of corrected p-values."""
    star_metrics: tuple[str, ...] | None = None
    """Metrics that are tested; None means all."""
    star_style: StarStyle = "star"
    """Whether a star marks the best score or our rows, or letters list the significantly lower rows of each score."""
    percent: bool = False
    """Whether scores are shown as percentages with two decimals."""
    published: tuple[PublishedReference, ...] = ()
    """Published tables to compare with."""
    candidates: tuple[Candidates, ...] = ("sampled",)
    """What positives are ranked among: fixed candidate lists, the full catalogue, or both."""
    adds_full_ranking: bool = False
    """Whether full ranking was added to what the file defines."""
    reproduces: tuple[PaperPlace, ...] = ()
    """The tables and figures in papers that this experiment reproduces."""
    figure: FigureSpec | None = None
    """A plot of the table's cells."""
    statistics: tuple[str, ...] = ()
    """Dataset statistics; such a table has one row per dataset and no methods."""
    scale: Scale = DEFAULT_SCALE
    """Size of the runs."""
    own_scales: tuple[Scale, ...] = ()
    """Scales that the file redefines."""

    @property
    def file_name(self) -> str:
        """Base name of the table's files: its name, the scale unless it is the default, and full ranking if added."""
        scale = "" if self.scale.name == DEFAULT_SCALE.name else f"-{self.scale.name}"
        return self.name + scale + "-full-ranking" * self.adds_full_ranking

    def with_full_ranking(self) -> Experiment:
        """Return the table with both candidate lists and the full catalogue."""
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
        """Return the seed and the subset index of each run of one cell."""
        subsets = (0,) if row.train_users is None else self.train_subsets
        return tuple((seed, subset) for seed in self.seeds for subset in subsets)

    def wants(self, row: ExperimentRow, dataset: ExperimentDataset, setting: Setting) -> bool:
        """Whether this row is run on this dataset in this setting."""
        is_of_dataset = row.runs_on(dataset.name) and (dataset.methods is None or row.method in dataset.methods)
        return is_of_dataset and row.runs_in(setting) and dataset.runs_in(setting)

    def command(self, request: RunRequest) -> str:
        """Return the command for a run of this table; at a scale other than the default, one command makes all runs."""
        if self.scale.name != DEFAULT_SCALE.name and not request.is_external:
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
        """Return the run of one row, dataset, setting, seed and subset of training users.

        The request contains the table's sources and backbone even if the method does not use them, and no parameters
        of the scale, because only the method's class defines them. ``among`` is what positives are ranked among.
        """
        return RunRequest(
            method=row.method,
            dataset=dataset.name,
            setting=setting,
            policy=self.policy,
            protocol_seed=self.protocol_seed,
            n_negatives=self.n_negatives,
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
