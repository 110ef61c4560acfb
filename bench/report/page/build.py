"""Build the data of the HTML report from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from bench import __version__
from bench.errors import BenchError
from bench.files.hashing import canonical_json
from bench.plugin import Family
from bench.report.page.boards import METRICS, Sources, boards_of
from bench.report.page.content import Board, Environment, MethodFacts, Page
from bench.report.page.links import paper_link
from bench.report.page.names import method_name
from bench.report.page.published import published_tables_of
from bench.report.page.query_views import Titles
from bench.report.page.run_facts import commit_of, run_facts
from bench.report.page.summary import summaries_of
from bench.report.tables.layout import known_entry
from bench.report.tables.texts import metric_title

if TYPE_CHECKING:
    from bench.registry import Registry
    from bench.report.page.query_facts import FactsOf
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

SAMPLED_LIMIT = (
    "Each positive is ranked among {n_negatives} sampled negatives, not the full catalogue. Sampled metrics can order "
    "methods differently than full metrics (Krichene and Rendle 2020); results are only comparable under this protocol."
)
"""Shown if a board has candidate lists; ``n_negatives`` are the numbers of negatives of these boards."""
FULL_LIMIT = (
    "Boards titled 'full catalogue' rank each positive among all items the user has not interacted with. Their results "
    "are not comparable with those on candidate lists."
)
"""Shown if a board has full ranking."""
LIMITS = (
    "Rows marked †toy use a toy language model with a few million parameters. They show that the method runs, but are "
    "not indicative of the method.",
    "Rows marked ‡ use the unlabeled test queries during training (transductive); the others do not.",
    "Methods named external:… were scored by another program, and bench cannot repeat them; costs are not known.",
    "Rows marked ↗ were not trained to convergence and may score higher with longer training. Training counts as "
    "converged after at least five validation checks, covering at least one epoch at the full learning rate, without "
    "improvement.",
    "Confidence intervals are bootstrap intervals over users for one trained model; another training seed may give a "
    "result outside. Overlapping intervals are not a significance test: use the star or 'bench compare'.",
    "Times and memory depend on the machine and on what else was running on it.",
)
"""Limitations shown on every page."""


def build_page(store: RunStore, registry: Registry, facts_of: FactsOf) -> Page:
    """Return the page of all stored runs.

    Raises:
        BenchError: there is no run, or a record or its ranks cannot be read.
    """
    records = store.records()
    if not records:
        raise BenchError(
            f"No runs are stored in {store.results_dir}. Give another --results-dir, or start with "
            "'bench run --method popularity --dataset ml-100k-drama'."
        )
    titles = Titles()
    boards = boards_of(records, store, Sources(registry, facts_of, titles))
    environments = _environments(records)
    places = {key: place for place, key in enumerate(environments)}
    board_of = {run_id: board.id for board in boards for row in board.rows for run_id in row.run_ids}
    published, refused = published_tables_of(records, store, registry)
    return Page(
        version=__version__,
        n_runs=len(records),
        newest=max(record.created for record in records),
        metrics=METRICS,
        metric_titles=tuple(map(metric_title, METRICS)),
        families=_families(records),
        boards=tuple(boards),
        methods=tuple(_methods(records, registry)),
        runs=tuple(
            run_facts(record, board_of.get(record.id, ""), places[_environment_key(record)], METRICS)
            for record in records
        ),
        environments=tuple(environments.values()),
        summaries=summaries_of(boards, METRICS),
        published=published,
        not_compared=refused,
        titles=tuple(titles.texts),
        limits=_limits(boards),
    )


def _families(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return the families of the records, in the order of the tables."""
    found = {record.family for record in records}
    known = [family for family in get_args(Family) if family in found]
    return (*known, *sorted(found - set(known)))


def _methods(records: Sequence[RunRecord], registry: Registry) -> list[MethodFacts]:
    families = _families(records)
    by_method: dict[str, list[RunRecord]] = {}
    for record in records:
        by_method.setdefault(record.spec.method, []).append(record)
    methods = [_method(name, runs, registry) for name, runs in by_method.items()]
    return sorted(methods, key=lambda method: (families.index(method.family), method.name))


def _method(name: str, runs: Sequence[RunRecord], registry: Registry) -> MethodFacts:
    entry = known_entry(registry, name)
    needs = (
        ()
        if entry is None
        else (
            ("titles",) * entry.needs_titles
            + ("source datasets",) * entry.needs_sources
            + ("a language model",) * entry.needs_backbone
        )
    )
    paper = "" if entry is None else entry.paper
    shown, ids = method_name(name, registry), tuple(record.id for record in runs)
    return MethodFacts(name, shown, runs[0].family, paper, paper_link(paper), needs, ids)


def _environments(records: Sequence[RunRecord]) -> dict[str, Environment]:
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(_environment_key(record), []).append(record)
    return {
        key: Environment(
            device=runs[0].device,
            versions={"bench": runs[0].bench_version, **runs[0].versions},
            commits=tuple(dict.fromkeys(commit_of(record) for record in runs if record.git)),
            n_runs=len(runs),
        )
        for key, runs in groups.items()
    }


def _environment_key(record: RunRecord) -> str:
    return canonical_json([record.device, record.bench_version, record.versions])


def _limits(boards: Sequence[Board]) -> tuple[str, ...]:
    counts = sorted({int(board.protocol["n_negatives"]) for board in boards if not board.full_ranking})
    sampled = (SAMPLED_LIMIT.format(n_negatives=" or ".join(map(str, counts))),) if counts else ()
    full = (FULL_LIMIT,) if any(board.full_ranking for board in boards) else ()
    return (*sampled, *full, *LIMITS)
