"""``bench data``: prepare, verify, import and describe datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.checks import report_checks
from bench.cli.completion import complete_datasets
from bench.cli.data_import import import_
from bench.cli.options import cache_dir_option, data_dir_option, json_option
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.data.names import checked_name

if TYPE_CHECKING:
    from bench.data.card import Card
    from bench.data.counts import Stats
    from bench.data.domain import Domain

GROUP_EXAMPLES = """\b
Examples:
  bench data stats ml-100k
  bench data prepare beauty --data-dir ~/recommendation-data
"""
PREPARE_EXAMPLES = """\b
Examples:
  bench data prepare ml-100k
  bench data prepare beauty --data-dir ~/recommendation-data --json
"""
VERIFY_EXAMPLES = """\b
Examples:
  bench data verify ml-100k-drama
  bench data verify beauty --data-dir ~/recommendation-data --json
"""
STATS_EXAMPLES = """\b
Examples:
  bench data stats ml-100k
  bench data stats beauty --data-dir ~/recommendation-data --json
"""


@click.group(epilog=GROUP_EXAMPLES)
def data() -> None:
    """Prepare, verify, import and describe datasets."""


@data.command(epilog=PREPARE_EXAMPLES)
@click.argument("name", shell_complete=complete_datasets)
@data_dir_option
@cache_dir_option
@progress_options
@json_option
def prepare(name: str, data_dir: Path | None, cache_dir: Path, choice: ProgressChoice, as_json: bool) -> None:
    """Read a dataset's source files and cache the result; without source files, download the official ones."""
    name = checked_name(name)
    domain = _loaded(name, data_dir, cache_dir, choice)
    if as_json:
        click.echo(json.dumps({"name": name, "content_hash": domain.content_hash, "notes": list(domain.notes)}))
        return
    click.echo(f"{name} is ready: {_sizes(domain.n_users, domain.n_items, domain.n_interactions)}.")


@data.command(epilog=VERIFY_EXAMPLES)
@click.argument("name", shell_complete=complete_datasets)
@data_dir_option
@cache_dir_option
@json_option
def verify(name: str, data_dir: Path | None, cache_dir: Path, as_json: bool) -> None:
    """Check the source files against checksums and the prepared data; exit with 1 if a check fails."""
    from bench.data.verify import verify_dataset

    report_checks(verify_dataset(checked_name(name), data_dir, cache_dir), as_json)


data.add_command(import_)


@data.command(epilog=STATS_EXAMPLES)
@click.argument("name", shell_complete=complete_datasets)
@data_dir_option
@cache_dir_option
@progress_options
@json_option
def stats(name: str, data_dir: Path | None, cache_dir: Path, choice: ProgressChoice, as_json: bool) -> None:
    """Show a dataset's statistics next to those reported in papers."""
    from bench.data.counts import stats_of, summary
    from bench.data.prepare import card_of

    name = checked_name(name)
    domain = _loaded(name, data_dir, cache_dir, choice)
    card = card_of(name, data_dir)
    if as_json:
        click.echo(json.dumps(summary(domain, card), indent=2, ensure_ascii=False))
        return
    click.echo(name)
    click.echo(_table(stats_of(domain), card))
    for note in domain.notes:
        click.echo(f"Note: {note}")


def _loaded(name: str, data_dir: Path | None, cache_dir: Path, choice: ProgressChoice) -> Domain:
    from bench.data.missing import naming_missing_files
    from bench.data.prepare import load_domain

    with choice.shown() as progress, naming_missing_files((name,), data_dir, cache_dir):
        return load_domain(name, data_dir, cache_dir, progress)


def _table(counted: Stats, card: Card) -> str:
    from tabulate import tabulate

    from bench.data.counts import COUNTS

    rows = [
        [
            name,
            f"{getattr(counted, name):,}",
            *(_beside(getattr(counted, name), getattr(row, name)) for row in card.expected),
        ]
        for name in COUNTS
    ]
    rows += [
        ["density", f"{100 * counted.density:.4f}%"],
        ["mean length", f"{counted.mean_length:.2f}"],
        ["without title", f"{counted.untitled:,}"],
        ["sharing a title", f"{counted.shared_titles:,}"],
        ["without timestamp", f"{100 * counted.untimed_share:.2f}%"],
        ["repeated pairs", f"{counted.repeats:,}"],
    ]
    headers = ["", "counted", *(row.by for row in card.expected)]
    return tabulate(rows, headers=headers, disable_numparse=True, tablefmt="simple")


def _beside(actual: int, expected: int) -> str:
    from bench.data.counts import verdict

    return f"{expected:,} ({verdict(actual, expected)})"


def _sizes(n_users: int, n_items: int, n_interactions: int) -> str:
    return f"{n_users:,} users, {n_items:,} items, {n_interactions:,} interactions"
