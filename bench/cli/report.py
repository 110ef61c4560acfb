"""``bench report``: an HTML report of all stored runs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import cache_dir_option, data_dir_option, results_dir_option, say_of_data
from bench.cli.paths import OutputPath
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.progress import Phase, tell

BYTES_IN_KB = 1000
EXAMPLES = """\b
Examples:
  bench report
  bench report --results-dir results/measured --data-dir ~/datasets --output measured.html
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--output",
    type=OutputPath(),
    default=Path("report.html"),
    show_default=True,
    help="File to write.",
)
@click.option(
    "--queries/--no-queries", default=True, help="Show histories and titles of single queries (default: yes)."
)
@results_dir_option
@data_dir_option
@cache_dir_option
@progress_options
def report(
    output: Path,
    queries: bool,
    results_dir: Path,
    data_dir: Path | None,
    cache_dir: Path,
    choice: ProgressChoice,
) -> None:
    """Write an HTML report of all stored runs: leaderboards, methods, published results, queries, users and cost.

    The page is one file of at most 5 MB and opens without a network connection. Single queries, and wins and losses by
    history length and item popularity, need the datasets of the runs, from --data-dir or an installed package. Nothing
    is downloaded or run.
    """
    from bench.files.folders import Folders
    from bench.files.output import write_output
    from bench.registry import registry
    from bench.report.page.build import build_page
    from bench.report.page.query_facts import facts_reader
    from bench.report.page.render import MOST_BYTES, render_page
    from bench.runs.store import RunStore

    store, folders = RunStore(results_dir), Folders(cache_dir, results_dir, data_dir)
    with choice.shown() as progress:
        tell(progress, Phase("reading the stored runs"))
        page = build_page(store, registry(), facts_reader(folders, progress, queries))
        tell(progress, Phase("drawing the page"))
        text = render_page(page)
    say_of_data(store.records(), folders)
    done = "Replaced" if output.is_file() else "Wrote"
    write_output(output, text)
    for reason in dict.fromkeys(board.users.missing for board in page.boards if board.users.missing):
        click.echo(f"Queries and wins by history length and popularity are not available: {reason}", err=True)
    size = len(text.encode()) // BYTES_IN_KB
    click.echo(f"{done} {output}: {page.n_runs} runs of {len(page.methods)} methods, {size:,} kB.", err=True)
    if size > MOST_BYTES // BYTES_IN_KB:
        click.echo("The file is larger than 5 MB, even without variants and queries.", err=True)
