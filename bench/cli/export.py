"""``bench export``: write stored runs to an archive."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import results_dir_option
from bench.cli.paths import OutputPath
from bench.errors import BenchError

EXAMPLES = """\b
Examples:
  bench export bpr@ml-100k-drama@warm text-knn@ml-100k-drama@warm results.zip
  bench export --all results.zip --results-dir results/measured
"""


@click.command(epilog=EXAMPLES)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.argument("archive", type=OutputPath())
@click.option("--all", "takes_all", is_flag=True, help="Export all stored runs.")
@results_dir_option
def export(runs: tuple[str, ...], archive: Path, takes_all: bool, results_dir: Path) -> None:
    """Write stored runs with their ranks to a zip ARCHIVE, for 'bench import-runs' or 'bench leaderboard'.

    RUN is a prefix of an id, or a name of the form method@dataset@setting[@full][@seedN]; a name without a seed means
    the runs of all seeds. Equal runs give equal archives.
    """
    from bench.files.output import STANDARD_OUTPUT
    from bench.runs.sharing.run_archives import export_runs
    from bench.runs.store import RunStore

    if bool(runs) == takes_all:
        raise BenchError("Give either one or more runs before the archive, or --all. See 'bench export --help'.")
    if archive == STANDARD_OUTPUT or archive.suffix.lower() != ".zip":
        raise BenchError(f"'{archive}' is not the name of an archive: the last argument must end in .zip.")
    store = RunStore(results_dir)
    records = store.records() if takes_all else [record for token in runs for record in store.find_seeds(token)]
    if not records:
        raise BenchError(f"No runs are stored in {results_dir}. See 'bench run --help'.")
    chosen = list({record.id: record for record in records}.values())
    export_runs(store, chosen, archive)
    size = archive.stat().st_size / 1e3
    click.echo(f"Wrote {archive}: {len(chosen)} run{'s' * (len(chosen) != 1)}, {size:,.0f} kB.", err=True)
