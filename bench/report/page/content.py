"""The data of the HTML report, which :func:`bench.report.page.render.render_page` renders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.report.page.overview_content import PublishedTable, QueryView, Summary


@dataclass(frozen=True)
class Figure:
    """One metric of one row."""

    value: float
    """Mean over users (and seeds), a fraction."""
    low: float
    """Lower end of the 95% bootstrap interval over users."""
    high: float
    """Upper end of the interval."""
    sd: float | None
    """Standard deviation over seeds; None for one seed."""
    mark: str
    """``best``, ``starred`` (best, and significantly better than the second), ``second`` or empty."""


@dataclass(frozen=True)
class Cost:
    """Cost of a row, averaged over seeds; None if not recorded."""

    training_seconds: float | None
    """Seconds of all training, including shared adapters."""
    users_per_second: float | None
    """Queries scored per second."""
    peak_memory_bytes: float | None
    """Highest resident memory while fitting and scoring."""
    trained_parameters: float | None


@dataclass(frozen=True)
class Bias:
    """Mean popularity in training interactions, over queries and seeds."""

    top: float
    """Popularity of the items ranked first."""
    positive: float
    """Popularity of the positives."""
    ratio: float | None
    """Ratio of the two; None if no positive has training interactions."""


@dataclass(frozen=True)
class Repetition:
    """Repeated scoring of the same queries."""

    over: str
    """What was varied: ``seeds``, ``candidate order`` or ``paraphrases``."""
    metric: str
    n_queries: int
    times: int
    first: float
    """Mean of the metric in the stored run, or in the run with the lowest seed."""
    lowest: float
    highest: float
    flip_rate: float | None
    """Share of repeated queries whose top item changed; None if the top items were not stored."""


@dataclass(frozen=True)
class BoardRow:
    """One method with its options on one board."""

    label: str
    """Label in tables: the method's name on the command line, and its variant in brackets."""
    method: str
    name: str
    """Name of the method in papers."""
    variant: str
    """How it differs from the method's default run; empty if it does not."""
    best: bool
    """Whether it is the best row of its method, under which the others are folded."""
    family: str
    run_ids: tuple[str, ...]
    """One per seed."""
    figures: tuple[Figure | None, ...]
    """One per metric of the page."""
    cost: Cost
    bias: Bias | None
    """None for runs that do not store their top items."""
    repetitions: tuple[Repetition, ...]
    tie_rate: float
    toy: bool
    transductive: bool
    reference: bool
    """Shown for reference: not ranked and not compared."""
    ended: str
    """Why training ended (the worst over seeds); empty if nothing was trained."""


@dataclass(frozen=True)
class Axis:
    """A grouping of the queries of a board, with the results of every row in each group."""

    name: str
    """``all``, ``history`` or ``popularity``."""
    title: str
    labels: tuple[str, ...]
    """One per bucket, in ascending order."""
    counts: tuple[int, ...]
    """Number of queries in each bucket."""
    means: tuple[tuple[float, ...], ...]
    """Mean of the metric, rows by buckets."""
    pairs: tuple[tuple[tuple[int, int, float | None], ...], ...]
    """For each pair of compared rows (0, 1), (0, 2) … (1, 2) … and each bucket: in how many queries the first row ranks
    the positive higher, in how many the second does, and the standard error of the mean difference."""


@dataclass(frozen=True)
class UserAnalysis:
    """Comparison of all rows by groups of queries."""

    metric: str
    rows: tuple[int, ...]
    """Indices of the board's rows that are compared pairwise."""
    axes: tuple[Axis, ...]
    missing: str
    """Why ``all`` is the only axis; empty if there are others."""


@dataclass(frozen=True)
class Board:
    """Rows that ranked the same candidates for the same queries; only these are compared."""

    id: str
    title: str
    dataset: str
    dataset_name: str
    """Name of the dataset in papers."""
    setting: str
    protocol: dict[str, Any]
    """The fields of the protocol that are relevant in this setting."""
    candidates_hash: str
    full_ranking: bool
    """Whether positives were ranked among the full catalogue."""
    n_candidates: int
    """Number of candidates per query, including the positive; with full ranking, the number of items."""
    n_queries: int
    limit_queries: int | None
    caption: str
    footnotes: tuple[str, ...]
    chance: tuple[float, ...]
    """Chance level, one per metric of the page."""
    rows: tuple[BoardRow, ...]
    users: UserAnalysis
    queries: tuple[QueryView, ...] = ()
    """A sample of the queries; empty if the dataset is not available."""


@dataclass(frozen=True)
class Curve:
    """A learning curve."""

    title: str
    names: tuple[str, ...]
    """One per line."""
    lines: tuple[tuple[float, ...], ...]
    """Values of each line, one per step."""
    steps: tuple[float, ...] | None = None
    """Positions of the values; None numbers them from ``first_step``."""
    first_step: int = 1
    kept: int | None = None
    """Index of the step whose weights were kept."""


@dataclass(frozen=True)
class RunFacts:
    """One run on its method's page."""

    id: str
    method: str
    board: str
    """Id of the board that contains the run."""
    variant: str
    """How it differs from the method's default run; empty if it does not."""
    created: str
    command: str
    """Shell command that repeats the run."""
    metrics: tuple[tuple[float, float, float] | None, ...]
    """Per metric of the page: the value and its 95% interval; None if the record does not contain it."""
    params: dict[str, Any]
    overrides: tuple[str, ...]
    """Names of the parameters that differ from their defaults."""
    facts: dict[str, Any]
    """Backbone, sources, seeds, times, memory, device and other reported facts, by readable names."""
    cold_rule: str
    deviations: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    ended: str
    """Why training ended (the worst of all trainings); empty if nothing was trained."""
    weights: dict[str, float]
    """Weight λ of each merged adapter."""
    curves: tuple[Curve, ...]
    environment: int
    """Index into the page's environments."""
    commit: str
    """Commit of the code; empty if not recorded."""


@dataclass(frozen=True)
class MethodFacts:
    """One method."""

    name: str
    """Name on the command line."""
    title: str
    """Name in papers."""
    family: str
    paper: str
    link: str
    """Address of the paper; empty if the registry states no arXiv number or DOI."""
    needs: tuple[str, ...]
    """Its inputs besides ids, in words."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """Software and device of runs."""

    device: str
    versions: dict[str, str]
    commits: tuple[str, ...]
    n_runs: int


@dataclass(frozen=True)
class Page:
    """All data of the page."""

    version: str
    n_runs: int
    """Number of stored runs, including those without a page."""
    newest: str
    """Time of the newest run (ISO 8601, UTC)."""
    metrics: tuple[str, ...]
    metric_titles: tuple[str, ...]
    families: tuple[str, ...]
    boards: tuple[Board, ...]
    methods: tuple[MethodFacts, ...]
    runs: tuple[RunFacts, ...]
    environments: tuple[Environment, ...]
    summaries: tuple[Summary, ...] = ()
    published: tuple[PublishedTable, ...] = ()
    not_compared: tuple[str, ...] = ()
    """Experiments whose runs cannot be compared with published results, with the reasons."""
    titles: tuple[str, ...] = ()
    """Titles of the items of all queries shown."""
    limits: tuple[str, ...] = field(default=())
    left_out: tuple[str, ...] = ()
    """What was left out to keep the file small; empty if it contains everything."""
