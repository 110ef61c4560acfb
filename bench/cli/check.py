"""``bench check``: check that a method follows the contract."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_methods
from bench.cli.options import json_option, some_request_options

if TYPE_CHECKING:
    from bench.contract.examine import Outcome

CHECK_FAILED = 1
COLORS = {"ok": "green", "failed": "red", "skipped": "yellow", "warning": "yellow"}
EXAMPLES = """\b
Examples:
  bench check bpr
  bench check my-method -p epochs=20 --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_methods)
@some_request_options("n_negatives", "backbone", "params")
@click.option("--device", default="cpu", show_default=True, help="Torch device; auto uses a GPU if available.")
@json_option
@click.pass_context
def check(
    context: click.Context,
    name: str,
    n_negatives: int,
    params: Mapping[str, str],
    backbone: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Check that a method follows the contract, on generated toy data; exit with 1 if a check fails.

    Scores must have the right shape, follow the order of the candidates, be reproducible from the seed and survive
    saving and loading. The method must find a planted pattern, find nothing in random data, and not use the test
    answers. A method that trains should report whether its training converged.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # on such small data, threads would only wait for each other
    from bench.contract.examine import check_method
    from bench.runs.environment import chosen_device

    began = time.perf_counter()
    outcomes: list[Outcome] = []
    device = device if device == "cpu" else chosen_device(device)
    for outcome in check_method(name, params, backbone=backbone, n_negatives=n_negatives, device=device):
        outcomes.append(outcome)
        if not as_json:
            click.echo(_line(outcome))
    seconds = time.perf_counter() - began
    failed = any(outcome.status == "failed" for outcome in outcomes)
    if as_json:
        facts = {"method": name, "ok": not failed, "seconds": round(seconds, 3)}
        click.echo(json.dumps({**facts, "checks": [asdict(outcome) for outcome in outcomes]}, indent=2))
    else:
        click.echo(_total(outcomes, seconds))
    context.exit(CHECK_FAILED if failed else 0)


def _line(outcome: Outcome) -> str:
    status = click.style(f"{outcome.status:<8}", fg=COLORS[outcome.status])
    return f"{status} {outcome.name:<16} {outcome.detail}"


def _total(outcomes: list[Outcome], seconds: float) -> str:
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in COLORS}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{len(outcomes)} checks in {seconds:.1f} s: {told}"
