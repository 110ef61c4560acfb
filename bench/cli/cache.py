"""``bench cache``: show what the cache contains, and remove what is not needed."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.completion import complete_experiments
from bench.cli.options import (
    NearGroup,
    cache_dir_option,
    data_dir_option,
    json_option,
    results_dir_option,
)
from bench.cli.progress.shown import line_on_stderr
from bench.errors import BenchError
from bench.files.cache_contents import Item

if TYPE_CHECKING:
    from bench.files.cache_contents import CacheContents
    from bench.files.folders import Folders

GROUP_EXAMPLES = """\b
Examples:
  bench cache info
  bench cache clean --dry-run
"""
INFO_EXAMPLES = """\b
Examples:
  bench cache info
  bench cache info --json
"""
CLEAN_EXAMPLES = """\b
Examples:
  bench cache clean --dry-run
  bench cache clean --older-than 30
  bench cache clean --unused --keep-for main-warm-cold --dry-run
"""
USUAL_DAYS = 7


@click.group(epilog=GROUP_EXAMPLES, cls=NearGroup)
def cache() -> None:
    """Show what the cache contains, or remove what is not needed."""


@cache.command(epilog=INFO_EXAMPLES)
@cache_dir_option
@results_dir_option
@json_option
def info(cache_dir: Path, results_dir: Path, as_json: bool) -> None:
    """Show the sizes of cached data, models and adapters by kind, and of the stored runs."""
    from tabulate import tabulate

    from bench.files.cache_contents import CacheContents, Item, in_bytes, leftovers_in

    contents = CacheContents(cache_dir)
    kinds: dict[str, list[Item]] = {}
    for item in contents.artifacts():
        kinds.setdefault(item.kind, []).append(item)
    kinds["unfinished trainings"] = contents.unfinished()
    kinds["downloads"] = contents.downloads()
    kinds["temporary leftovers"] = [*contents.leftovers(), *leftovers_in(results_dir, depth=3)]
    kinds["stored runs"] = [Item(path, "") for path in sorted((results_dir / "runs").glob("[!.]*"))]
    kinds["superseded runs"] = [Item(path, "") for path in sorted((results_dir / "superseded").glob("[!.]*"))]
    rows = [_facts(kind, items) for kind, items in kinds.items()]
    places = {"cache": str(cache_dir), "results": str(results_dir)}
    free = _free_bytes(cache_dir)
    if as_json:
        click.echo(json.dumps({**places, "free_bytes": free, "kinds": rows}, indent=2))
        return
    shown = [
        [row["kind"], f"{row['items']:,}", in_bytes(row["bytes"]), row["newest"] or "–", row["oldest"] or "–"]
        for row in rows
        if row["items"]
    ]
    total = sum(row["bytes"] for row in rows)
    click.echo("\n".join(f"{name:<8} {place}" for name, place in places.items()))
    click.echo(f"{'total':<8} {in_bytes(total)}, {in_bytes(free)} free on the disk of the cache\n")
    if shown:
        aligned = ("left", "right", "right", "left", "left")
        headers = ["kind", "items", "size", "newest", "oldest"]
        click.echo(tabulate(shown, headers, tablefmt="plain", disable_numparse=True, colalign=aligned))


@cache.command(epilog=CLEAN_EXAMPLES)
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    default=USUAL_DAYS,
    show_default=True,
    metavar="DAYS",
    help="Remove unfinished trainings, and with --unused artifacts, that have not changed for this many days.",
)
@click.option(
    "--unused",
    is_flag=True,
    help="Also remove data, models and adapters that no stored run needs. What is not certain is kept.",
)
@click.option(
    "--keep-for",
    "experiments",
    multiple=True,
    shell_complete=complete_experiments,
    help="With --unused: keep what this experiment needs as well; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask; --unused requires it if standard input is not a terminal.")
@data_dir_option
@cache_dir_option
@results_dir_option
@json_option
def clean(
    days: float,
    unused: bool,
    experiments: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    as_json: bool,
) -> None:
    """Remove temporary files of ended processes, and trainings that were not finished and not continued.

    With --unused, also artifacts that no run in the results directory needs; they would be made again. What a running
    process makes is kept. Runs are removed by 'bench rm'.
    """
    from bench.files.cache_contents import CacheContents, leftovers_in
    from bench.files.folders import Folders

    if experiments and not unused:
        raise BenchError("--keep-for says what --unused keeps: give both.")
    folders, contents = Folders(cache_dir, results_dir, data_dir), CacheContents(cache_dir)
    leftovers = [*contents.leftovers(), *leftovers_in(results_dir, depth=3)]
    waste = [_Waste(item, "temporary file of an ended process", is_artifact=False) for item in leftovers]
    waste += [
        _Waste(item, f"unfinished training of {item.kind}, not changed for {item.age_days:.0f} days")
        for item in contents.unfinished()
        if item.age_days >= days and not contents.is_in_use(item)
    ]
    if unused:
        waste += [
            _Waste(item, f"{item.kind} that no run needs") for item in _unneeded(contents, folders, experiments, days)
        ]
    if unused and waste and not (dry_run or yes or _is_wanted(waste)):
        click.echo("Nothing was removed.", err=True)
        raise click.exceptions.Exit(1)
    removed = waste if dry_run else [one for one in waste if one.remove(contents)]
    _show(removed, dry_run, as_json)


@dataclass(frozen=True)
class _Waste:
    """Something to remove, and why."""

    item: Item
    reason: str
    is_artifact: bool = True

    def remove(self, contents: CacheContents) -> bool:
        """Remove it; return False if a process has begun to use it."""
        from bench.files.cache_contents import remove_leftover

        _ = self.item.size_bytes  # it is shown afterwards
        if self.is_artifact:
            return contents.remove(self.item)
        remove_leftover(self.item)
        return True


def _unneeded(contents: CacheContents, folders: Folders, experiments: tuple[str, ...], days: float) -> list[Item]:
    """Return the artifacts that no stored run and no run of these experiments needs."""
    from bench.experiments.complete import complete_experiment
    from bench.experiments.reader import load_experiment
    from bench.runs.cache_needs import Needs
    from bench.runs.plan import plan_of
    from bench.runs.store import RunStore

    records = RunStore(folders.results_dir).records()
    if not records:
        raise BenchError(
            f"There are no runs in {folders.results_dir}, so --unused would remove everything: give the --results-dir "
            "of the runs that use this cache."
        )
    plans = [
        plan_of([spec for _, spec in complete_experiment(load_experiment(name))], folders, line_on_stderr)
        for name in experiments
    ]
    # a run that is not finished has no record yet, but its artifacts are new
    old = [item for item in contents.artifacts() if item.age_days >= days]
    kept = {item.path for item in contents.artifacts()} - {item.path for item in old}
    return [item for item in Needs.of(records, plans).unneeded(contents.artifacts()) if item.path not in kept]


def _is_wanted(waste: list[_Waste]) -> bool:
    """Ask before models are removed; raise BenchError where nobody can answer."""
    if not sys.stdin.isatty():
        raise BenchError("--unused needs --yes or --dry-run, because standard input is not a terminal.")
    for one in waste:
        click.echo(f"{one.item.path}: {one.reason}", err=True)
    return click.confirm(f"Remove {_counted(len(waste))}?", err=True)


def _show(removed: list[_Waste], dry_run: bool, as_json: bool) -> None:
    from bench.files.cache_contents import in_bytes

    total = sum(one.item.size_bytes for one in removed)
    if as_json:
        rows = [{"path": str(one.item.path), "bytes": one.item.size_bytes, "reason": one.reason} for one in removed]
        click.echo(json.dumps({"dry_run": dry_run, "bytes": total, "removed": rows}, indent=2))
        return
    for one in removed:
        click.echo(f"{one.item.path}: {one.reason}, {in_bytes(one.item.size_bytes)}")
    word = "Would remove" if dry_run else "Removed"
    click.echo(f"{word} {_counted(len(removed))}, {in_bytes(total)}.")


def _facts(kind: str, items: list[Item]) -> dict[str, Any]:
    times = [item.changed for item in items]
    newest, oldest = (time.strftime("%Y-%m-%d", time.gmtime(pick(times))) if times else "" for pick in (max, min))
    size = sum(item.size_bytes for item in items)
    return {"kind": kind, "items": len(items), "bytes": size, "newest": newest, "oldest": oldest}


def _counted(number: int) -> str:
    return f"{number:,} item{'' if number == 1 else 's'}"


def _free_bytes(folder: Path) -> int:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
