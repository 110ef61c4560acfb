"""``bench leaderboard``: check submitted runs, and build a leaderboard of them."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.checks import report_checks
from bench.cli.options import json_option
from bench.cli.paths import DirectoryPath, InputPath

GROUP_EXAMPLES = """\b
Examples:
  bench leaderboard check submissions/team/results.zip
  bench leaderboard build submissions --output site
"""
BUILD_EXAMPLES = """\b
Examples:
  bench leaderboard build submissions
  bench leaderboard build submissions --output site
"""
CHECK_EXAMPLES = """\b
Examples:
  bench leaderboard check results.zip
  bench leaderboard check submissions/*.zip --json
"""


@click.group(epilog=GROUP_EXAMPLES)
def leaderboard() -> None:
    """Check submitted runs, and build a leaderboard of them."""


@leaderboard.command(epilog=BUILD_EXAMPLES)
@click.argument("folder", type=DirectoryPath())
@click.option(
    "--output",
    type=DirectoryPath(),
    default=Path("leaderboard"),
    show_default=True,
    help="Directory for the page, the Markdown file and the CSV files.",
)
def build(folder: Path, output: Path) -> None:
    """Verify all submissions in FOLDER and write a leaderboard of the accepted runs.

    Submissions are archives written by 'bench export', and run.json files next to their ranks, also in subfolders.
    Runs are only ranked with runs on the same candidates and data; what is refused is listed with the reason.
    """
    from bench.report.leaderboard.boards import build_leaderboard
    from bench.report.leaderboard.write import write_leaderboard

    made = build_leaderboard(folder)
    paths = write_leaderboard(made, output)
    for refusal in made.refused:
        run = f" ({refusal.run})" if refusal.run else ""
        click.echo(f"refused: {refusal.place}{run}: {refusal.reason}", err=True)
    click.echo(f"Boards: {len(made.boards)}. Runs: {made.n_runs}. Refused: {len(made.refused)}.")
    click.echo(f"Wrote {', '.join(str(path) for path in paths)}.", err=True)


@leaderboard.command(epilog=CHECK_EXAMPLES)
@click.argument("files", nargs=-1, required=True, type=InputPath(), metavar="FILE...")
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Verify submitted files without storing anything; exit with 1 if one is refused.

    Ids, hashes and metrics are recomputed. Run this for the changed files of a pull request.
    """
    from bench.data.verify import Check
    from bench.errors import BenchError
    from bench.report.leaderboard.submissions import check_submission

    checks = []
    for path in files:
        try:
            runs = ", ".join(record.token for record in check_submission(path))
            checks.append(Check(True, f"{path}: {runs}"))
        except BenchError as error:
            checks.append(Check(False, str(error)))
    report_checks(checks, as_json)
