"""Compare runs and build tables of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.api.runs import Run, Runs
from bench.errors import BenchError
from bench.experiments.scale import DEFAULT_SCALE
from bench.files.folders import AnyPath, usual_folders
from bench.registry import registry
from bench.report.experiment_report import experiment_at, report_of
from bench.report.metric_names import USUAL_METRICS, checked_metrics
from bench.report.tables.build import stored_table, table_of_runs
from bench.report.tables.options import TableOptions
from bench.report.two_runs import ComparedRuns, compare_runs
from bench.runs.store import RunStore
from bench.significance.tests import TESTS, Test

if TYPE_CHECKING:
    from bench.report.tables.table import Table
    from bench.runs.record import RunRecord
    from bench.spec import Setting


def compare(
    a: Run | Runs | str,
    b: Run | Runs | str,
    metrics: Sequence[str] = USUAL_METRICS,
    *,
    test: Test = "t-test",
    results_dir: AnyPath | None = None,
) -> ComparedRuns:
    """Compare two systems user by user with paired tests.

    Args:
        a: A run, the runs of several seeds, or the name of a stored one: a prefix of its id or
            ``method@dataset@setting[@full][@seedN]``; such a name without a seed means all seeds.
        b: The same; differences are ``a`` minus ``b``.
        metrics: Metrics to compare, such as ``ndcg@3``, ``hit@1`` or ``mrr@10``.
        test: Test whose p-values are Holm-corrected across the metrics: ``t-test``, ``wilcoxon`` or ``permutation``.
        results_dir: Where named runs are stored; default that of the given run, else as for ``bench.run``.

    Returns:
        One ``Comparison`` per metric with means, difference and its 95% interval, p-values of three tests, effect size.

    Raises:
        BenchError: no run has the given name, or the runs ranked different candidates or scored different users.
    """
    if test not in TESTS:
        raise BenchError(f"test must be {' or '.join(TESTS)}, not {test!r}.")
    store = RunStore(_results_dir([one for one in (a, b) if not isinstance(one, str)], results_dir))
    records_a, records_b = (
        store.find_seeds(one) if isinstance(one, str) else [run.record for run in _each(one)] for one in (a, b)
    )
    return compare_runs(records_a, records_b, checked_metrics(metrics), store, test)


def table(
    *what: Run | Runs | str,
    dataset: str | None = None,
    setting: Setting | None = None,
    metrics: Sequence[str] | None = None,
    scale: str | None = None,
    full_ranking: bool = False,
    results_dir: AnyPath | None = None,
    **options: Any,
) -> Table:
    """Build a table from stored runs: of given runs, of an experiment, or of all runs of one dataset and setting.

    Args:
        *what: Runs, one per row (ordered by family), or one name of an experiment (see ``bench list experiments``) or
            the path of its YAML file.
        dataset: Instead of ``what``: all stored runs of this dataset.
        setting: The setting of these runs.
        metrics: Metrics of the columns, by default ``ndcg@1`` and ``ndcg@3``; an experiment has its own.
        scale: Scale of an experiment, by default ``cpu``.
        full_ranking: Whether an experiment's table also shows the ranking of the whole catalogue.
        results_dir: Where runs are stored; default that of the given runs, else as for ``bench.run``.
        **options: What the table shows: the fields of :class:`bench.report.tables.options.TableOptions`, such as
            ``percent=True`` or ``notes="short"``.

    Returns:
        A table that notebooks display; ``print(table)`` prints it, ``table.render("latex")`` and ``table.frame()``
        return it as text and as a DataFrame.

    Raises:
        BenchError: the arguments cannot be combined, the experiment is unknown, no run is stored, or the runs of one
            dataset and setting cannot be compared.
    """
    runs = [one for one in what if not isinstance(one, str)]
    names = [one for one in what if isinstance(one, str)]
    if (len(names) + bool(runs) + bool(dataset or setting)) != 1 or bool(dataset) != bool(setting):
        raise BenchError("Give either runs, or the name of one experiment, or both dataset and setting.")
    shown = TableOptions.of(options)
    if names:
        folder = usual_folders(results_dir=results_dir).results_dir
        return _of_experiment(names[0], metrics, scale, full_ranking, folder, shown)
    if scale is not None or full_ranking:
        raise BenchError("scale and full_ranking are options of an experiment; leave them out.")
    folder = _results_dir(runs, results_dir)
    if runs:
        metrics = checked_metrics(shown.columns or metrics or USUAL_METRICS)
        return table_of_runs(_records(runs), metrics, RunStore(folder), registry(), options=shown)
    return stored_runs_table(dataset or "", setting or "", metrics or (), folder, shown)


def stored_runs_table(
    dataset: str, setting: str, metrics: Sequence[str], results_dir: Path, options: TableOptions
) -> Table:
    """Build a table of all stored runs of a dataset and setting; ``options.columns`` are also metrics."""
    if metrics and options.columns:
        raise BenchError("--metric and --columns both choose metrics here: give one of them.")
    chosen = checked_metrics(options.columns or metrics or USUAL_METRICS)
    return stored_table(dataset, setting, chosen, RunStore(results_dir), registry(), options=options)


def _of_experiment(
    name: str,
    metrics: Sequence[str] | None,
    scale: str | None,
    full_ranking: bool,
    results_dir: Path,
    options: TableOptions,
) -> Table:
    if metrics is not None:
        raise BenchError(f"The metrics of '{name}' are in its file; choose others with columns.")
    experiment = experiment_at(name, scale or DEFAULT_SCALE.name, registry(), full_ranking=full_ranking)
    return report_of(experiment, results_dir, registry(), options).table


def _results_dir(runs: Sequence[Run | Runs], results_dir: AnyPath | None) -> Path:
    """Return the directory of runs; raise BenchError if runs were repeated since, or are in several directories."""
    found = list(dict.fromkeys(one.folders.results_dir.resolve() for run in runs for one in _each(run)))
    if len(found) > 1:
        raise BenchError(f"The runs are stored in different folders, {' and '.join(map(str, found))}; use one.")
    for run in runs:
        for one in _each(run):
            one.check_stored()
    if found and results_dir is None:
        return found[0]
    return usual_folders(results_dir=results_dir).results_dir


def _records(runs: Sequence[Run | Runs]) -> list[RunRecord]:
    """Return the distinct records of runs."""
    return list({one.id: one.record for run in runs for one in _each(run)}.values())


def _each(runs: Run | Runs) -> Sequence[Run]:
    return [runs] if isinstance(runs, Run) else runs
