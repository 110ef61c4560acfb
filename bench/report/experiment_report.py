"""The table, plot and comparison with published results of an experiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import BenchError
from bench.experiments.experiment import Experiment
from bench.experiments.reader import load_experiment
from bench.experiments.scaling import scaled
from bench.registry import Registry
from bench.report.figures.figure import Figure, figure_of
from bench.report.papers.printed_beside_ours import Beside, beside_published, counts_beside_published
from bench.report.tables.build import build_table
from bench.report.tables.chosen_columns import with_columns
from bench.report.tables.counts import counts_table
from bench.report.tables.options import DEFAULT_OPTIONS, TableOptions
from bench.report.tables.table import Table
from bench.runs.store import RunStore


@dataclass(frozen=True)
class ExperimentReport:
    """An experiment with its table of stored results."""

    experiment: Experiment
    table: Table
    results_dir: Path
    registry: Registry

    @property
    def file_name(self) -> str:
        """Base name of its files, without suffix."""
        return self.experiment.file_name

    def beside(self) -> list[Beside]:
        """Return the comparison with published results; raise BenchError if the experiment lists no published table."""
        if self.experiment.statistics:
            return counts_beside_published(self.experiment, self.table)
        return beside_published(self.experiment, self.table, self.registry)

    def figure(self) -> Figure:
        """Return the plot; raise BenchError if the experiment defines none or no run is stored."""
        return figure_of(self.experiment, self.table, RunStore(self.results_dir))


def experiment_at(
    name: str, scale: str, registry: Registry, limit_queries: int | None = None, full_ranking: bool = False
) -> Experiment:
    """Read an experiment and apply a scale.

    Args:
        name: Its name or file.
        scale: The scale's name.
        registry: Provides the kind of language model of each method.
        limit_queries: Replaces the scale's limit.
        full_ranking: Adds full ranking to candidate lists.

    Raises:
        BenchError: there is no such experiment, or full ranking is requested for a table of dataset statistics.
    """
    experiment = load_experiment(name)
    if full_ranking:
        if experiment.statistics:
            raise BenchError(f"Experiment '{experiment.name}' only shows dataset statistics: remove --full-ranking.")
        experiment = experiment.with_full_ranking()
    if not experiment.statistics:
        experiment = scaled(experiment, scale, registry)
    return experiment if limit_queries is None else replace(experiment, limit_queries=limit_queries)


def report_of(
    experiment: Experiment, results_dir: Path, registry: Registry, options: TableOptions = DEFAULT_OPTIONS
) -> ExperimentReport:
    """Build an experiment's table from stored results; raise BenchError for columns that it does not have."""
    experiment = with_columns(experiment, options.columns)
    if options.percent is not None:
        experiment = replace(experiment, percent=options.percent)
    if experiment.statistics:
        return ExperimentReport(experiment, counts_table(experiment, results_dir, options), results_dir, registry)
    table = build_table(experiment, RunStore(results_dir), registry, options)
    return ExperimentReport(experiment, replace(table, name=experiment.file_name), results_dir, registry)
