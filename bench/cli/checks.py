"""Print the outcome of checks, and exit with 1 if one failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bench.data.verify import Check


def report_checks(checks: Sequence[Check], as_json: bool) -> None:
    """Print checks, one per line or as JSON; raise click's Exit with code 1 if one failed."""
    if as_json:
        click.echo(json.dumps([{"passed": check.passed, "text": check.text} for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(f"{'ok    ' if check.passed else 'FAILED'}  {check.text}")
    if not all(check.passed for check in checks):
        raise click.exceptions.Exit(1)
