"""``bench reproduce``: what a table lacks is run, then the table is written in every format."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import cache_dir_option, data_dir_option, progress_on_stderr, results_dir_option

SUFFIXES = {"latex": "tex", "markdown": "md", "csv": "csv", "json": "json"}
EXAMPLES = """\b
Examples:
  bench reproduce demo
  bench reproduce main-warm-cold --limit-queries 1000
"""


@click.command(epilog=EXAMPLES)
@click.argument("name")
@click.option("--limit-queries", type=click.IntRange(min=1), help="Score a seeded sample in every run.")
@click.option("--dry-run", is_flag=True, help="Only print the commands of the missing runs.")
@click.option("--device", default="auto", show_default=True, help="Torch device; auto takes a GPU where there is one.")
@data_dir_option
@cache_dir_option
@results_dir_option
def reproduce(
    name: str,
    limit_queries: int | None,
    dry_run: bool,
    device: str,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
) -> None:
    """Run what the table of an experiment still lacks, write it to results/tables and print it.

    NAME is an experiment (see 'bench list experiments') or the path of a YAML file. Runs that are stored are not
    done again, and a broken-off reproduction goes on where it stopped.
    """
    import dataclasses

    from bench.completion import complete_planned
    from bench.devices import chosen_device
    from bench.engine import Folders, run
    from bench.experiment_reader import load_experiment
    from bench.held import Held
    from bench.registry import registry
    from bench.report.build import build_table
    from bench.report.render import render
    from bench.runs import RunStore
    from bench.store import write_text
    from bench.tasks import plan_of

    experiment = load_experiment(name)
    if limit_queries is not None:
        experiment = dataclasses.replace(experiment, limit_queries=limit_queries)
    store, folders = RunStore(results_dir), Folders(cache_dir, results_dir, data_dir)
    asked = [cell.run for cell in experiment.cells()]
    specs = [complete_planned(wanted) for wanted in asked]
    # only what is going to be run may ask for its data: a table of stored runs is made where there are none
    plan = plan_of(
        specs, folders, progress_on_stderr, reads_data=lambda spec: not dry_run and not store.exists(spec.hash())
    )
    progress_on_stderr(f"{experiment.name}: {plan.summary()}")
    missing = [job for job in plan.runs if not job.is_done]
    if dry_run:
        commands = {
            spec.hash(): wanted.command(registry().entry(wanted.method))
            for wanted, spec in zip(asked, specs, strict=True)
        }
        for job in missing:
            click.echo(commands[job.id])
        return
    torch_device = chosen_device(device)
    with Held() as held:
        for number, job in enumerate(missing, start=1):
            spec, protocol = job.spec, job.spec.protocol
            progress_on_stderr(f"[{number}/{len(missing)}] {spec.method} on {protocol.dataset} {protocol.setting}")
            run(spec, folders, progress_on_stderr, device=torch_device, held=held)
    table = build_table(experiment, store, registry())
    for output_format, suffix in SUFFIXES.items():
        write_text(results_dir / "tables" / f"{experiment.name}.{suffix}", render(table, output_format))
    click.echo(render(table, "text"), nl=False)
    progress_on_stderr(f"Wrote {results_dir / 'tables' / experiment.name}.{{{','.join(SUFFIXES.values())}}}.")
