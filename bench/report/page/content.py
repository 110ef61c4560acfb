"""What the page says, as data: every part is frozen, and :func:`bench.report.page.render.render_page` prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One metric of one row."""

    value: float
    """Mean over users (and seeds), a fraction."""
    low: float
    """Lower end of the 95 % bootstrap interval over users."""
    high: float
    """Upper end of it."""
    sd: float | None
    """Standard deviation over seeds; None for one seed."""
    mark: str
    """``best``, ``starred`` (best, and different from the second after correction), ``second`` or empty."""


@dataclass(frozen=True)
class Cost:
    """What a row costs, means over its seeds; None where no record says."""

    training_seconds: float | None
    """Seconds of all training, that of shared adapters included."""
    users_per_second: float | None
    """Queries scored a second."""
    peak_memory_bytes: float | None
    """Highest resident memory while fitting and scoring."""
    trained_parameters: float | None


@dataclass(frozen=True)
class Bias:
    """Mean popularity in training interactions, over queries and seeds."""

    top: float
    """Of the items ranked first."""
    positive: float
    """Of the positives."""
    ratio: float | None
    """The first by the second; None where nobody touched a positive."""


@dataclass(frozen=True)
class Repetition:
    """The same queries, answered several times."""

    over: str
    """What differed: ``seeds``, ``candidate order`` or ``paraphrases``."""
    metric: str
    n_queries: int
    times: int
    first: float
    """Mean of the metric in the run as it is stored, or of its lowest seed."""
    lowest: float
    highest: float
    flip_rate: float | None
    """Share of repeated queries whose top item is another; None where the top items were not stored."""


@dataclass(frozen=True)
class BoardRow:
    """One method, as it was run, on one board."""

    label: str
    method: str
    family: str
    run_ids: tuple[str, ...]
    """One a seed."""
    figures: tuple[Figure | None, ...]
    """One a metric of the page."""
    cost: Cost
    bias: Bias | None
    """None for runs from before their top items were stored."""
    repetitions: tuple[Repetition, ...]
    tie_rate: float
    toy: bool
    transductive: bool
    reference: bool
    """Shown for orientation: takes no mark and is no rival."""
    ended: str
    """Why training ended, the worst over seeds; empty where nothing was trained."""


@dataclass(frozen=True)
class Axis:
    """A way to part the queries of a board, and what every row reaches in each part."""

    name: str
    """``all``, ``history`` or ``popularity``."""
    title: str
    labels: tuple[str, ...]
    """One a bucket, in ascending order."""
    counts: tuple[int, ...]
    """Queries of each bucket."""
    means: tuple[tuple[float, ...], ...]
    """Mean of the analysis' metric, rows by buckets."""
    pairs: tuple[tuple[tuple[int, int, float | None], ...], ...]
    """For each pair of rows (0, 1), (0, 2) … (1, 2) …, for each bucket: queries on which the first row ranks the
    positive higher, on which the second does, and the standard error of the mean difference of the metric."""


@dataclass(frozen=True)
class UserAnalysis:
    """Who wins on which users."""

    metric: str
    axes: tuple[Axis, ...]
    missing: str
    """Why there are no axes but ``all``; empty where there are."""


@dataclass(frozen=True)
class Board:
    """Rows that ranked the same candidates of the same queries: nothing else is ever compared."""

    id: str
    title: str
    dataset: str
    setting: str
    protocol: dict[str, Any]
    """Everything of the protocol that matters in this setting."""
    candidates_hash: str
    full_ranking: bool
    """Whether positives were ranked among the whole catalogue."""
    n_candidates: int
    """Candidates of each query, the positive included; of full ranking the items of the catalogue."""
    n_queries: int
    limit_queries: int | None
    caption: str
    footnotes: tuple[str, ...]
    chance: tuple[float, ...]
    """What a scorer that knows nothing reaches, one a metric of the page."""
    rows: tuple[BoardRow, ...]
    users: UserAnalysis


@dataclass(frozen=True)
class Curve:
    """Something that changed while a method learned."""

    title: str
    names: tuple[str, ...]
    """One a line."""
    lines: tuple[tuple[float, ...], ...]
    """Values of each line, step by step."""
    steps: tuple[float, ...] | None = None
    """Where the values stand; None counts them from ``first_step``."""
    first_step: int = 1
    kept: int | None = None
    """Index of the step whose weights were kept."""


@dataclass(frozen=True)
class RunFacts:
    """One run for its method's page."""

    id: str
    method: str
    board: str
    """Id of the board that shows it."""
    variant: str
    """What sets it apart from the method's default run; empty where nothing does."""
    created: str
    params: dict[str, Any]
    overrides: tuple[str, ...]
    """Names of the parameters that differ from their defaults."""
    facts: dict[str, Any]
    """Backbone, sources, seeds, seconds, memory, device and what else the method reports, by readable names."""
    cold_rule: str
    deviations: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    ended: str
    """Why training ended, the worst of all that was trained; empty where nothing was."""
    weights: dict[str, float]
    """Weight λ of each merged adapter."""
    curves: tuple[Curve, ...]
    environment: int
    """Index into the page's environments."""


@dataclass(frozen=True)
class MethodFacts:
    """One method."""

    name: str
    family: str
    paper: str
    needs: tuple[str, ...]
    """What it reads beside identifiers, in words."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """Software and device that runs were made with."""

    device: str
    versions: dict[str, str]
    commits: tuple[str, ...]
    n_runs: int


@dataclass(frozen=True)
class Page:
    """Everything the page shows."""

    version: str
    newest: str
    """Time of the newest run, ISO, UTC."""
    metrics: tuple[str, ...]
    metric_titles: tuple[str, ...]
    families: tuple[str, ...]
    boards: tuple[Board, ...]
    methods: tuple[MethodFacts, ...]
    runs: tuple[RunFacts, ...]
    environments: tuple[Environment, ...]
    limits: tuple[str, ...] = field(default=())
