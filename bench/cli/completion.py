"""Complete names on the command line, without importing anything slow.

Names of methods, of their parameters and of runs are read as text, from source files and from the beginnings of
records. A completed word is only a proposal: the command itself checks it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from bench.files.folders import DATA_VARIABLE, RESULTS_VARIABLE, USUAL_RESULTS, expanded

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
BEGINNING_BYTES = 2048
"""Bytes of a record that contain its spec."""
SPEC = re.compile(r'"id": "([0-9a-f]+)".*?"method": "([^"]+)".*?"dataset": "([^"]+)".*?"setting": "([^"]+)"', re.DOTALL)
SEED = re.compile(r'"sources": \[.*?"seed": (\d+)', re.DOTALL)
FULL = re.compile(r'"full_ranking": true')

BASH_SOURCE = """\
%(complete_func)s() {
    local IFS=$'\\n' words word prefix response completion kind value
    IFS=' ' read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ "${COMP_LINE:COMP_POINT-1:1}" == ' ' ]] && words+=("")
    # bash replaces only what follows the last of these signs
    word="${COMP_WORDS[COMP_CWORD]}"
    [[ "$word" == [@=:] ]] && word=""
    prefix="${words[-1]%%"$word"}"
    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r kind value <<< "$completion"
        if [[ $kind == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $kind == 'file' ]]; then
            compopt -o default
        elif [[ $kind == 'plain' ]]; then
            [[ "$value" == *= ]] && compopt -o nospace
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BenchBashComplete(BashComplete):
    """Bash completion of words that contain ``@``, ``=`` or ``:``, at which bash breaks words."""

    source_template = BASH_SOURCE


def install() -> None:
    """Let click use the project's completion for bash."""
    add_completion_class(BenchBashComplete, "bash")


def complete_methods(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose names of methods; the last of several comma-separated ones is completed."""
    return _last_of_list(incomplete, _method_names())


def complete_datasets(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose names of cards, then of the user's own data."""
    from bench.data.names import NAME
    from bench.files.folders import user_data_dir
    from bench.files.shipped import shipped_folder

    cards = sorted(path.stem for path in shipped_folder("cards").glob("*.yaml"))
    places = [_folder(context, "data_dir", DATA_VARIABLE), user_data_dir()]
    own = {path.name for place in places if place is not None and place.is_dir() for path in place.iterdir()}
    return _last_of_list(incomplete, [*cards, *sorted(filter(NAME.fullmatch, own - {*cards}))])


def complete_methods_and_datasets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Propose names of methods and of datasets."""
    return complete_methods(context, parameter, incomplete) + complete_datasets(context, parameter, incomplete)


def complete_experiments(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose names of experiments, or files."""
    from bench.files.shipped import shipped_folder

    names = sorted(path.stem for path in shipped_folder("experiments").glob("*.yaml"))
    return _starting(incomplete, names) or [CompletionItem(incomplete, type="file")]


def complete_runs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose names of stored runs, or ids if the word begins like one."""
    place = _folder(context, "results_dir", RESULTS_VARIABLE) or USUAL_RESULTS
    found = list(_runs(place))
    names = {name for _, name in found} | {name.rpartition("@")[0] for _, name in found if "@seed" in name}
    return _starting(incomplete, sorted(names)) or _starting(incomplete, sorted(run_id for run_id, _ in found))


def complete_params(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose the parameters of the method that the line names, and the values of a parameter with choices."""
    from bench.cli.static_methods import parameters_of

    named = [context.params[name] for name in ("method", "methods", "name") if context.params.get(name)]
    # click leaves an argument unread while the value of an option is missing
    method = str(next(iter([*named, *context.args]), ""))
    known = parameters_of(method.partition(",")[0])
    name, equals, _ = incomplete.partition("=")
    if equals:
        return _starting(incomplete, [f"{name}={choice}" for choice in known.get(name, ())])
    return _starting(incomplete, [f"{one}=" for one in known])


def _method_names() -> list[str]:
    from importlib.metadata import entry_points

    from bench.cli.static_methods import WRAPPER_SEPARATOR, methods

    own = {f"{method.name}{WRAPPER_SEPARATOR * method.wraps}" for method in methods()}
    return sorted(own | {point.name for point in entry_points(group="bench.plugins")})


def _runs(results_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield the id and the name of each stored run, as far as the beginning of its record shows them."""
    for path in (results_dir / "runs").glob("[0-9a-f]*/run.json"):
        with path.open("rb") as record:
            yield from _run_in(record.read(BEGINNING_BYTES).decode(errors="replace"))
    for path in (results_dir / "packs").glob("*/records.jsonl"):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield from _run_in(line[:BEGINNING_BYTES])


def _run_in(beginning: str) -> Iterator[tuple[str, str]]:
    spec, seed = SPEC.search(beginning), SEED.search(beginning)
    if spec is not None:
        full = "@full" if FULL.search(beginning) else ""
        yield spec[1], f"{spec[2]}@{spec[3]}@{spec[4]}{full}" + (f"@seed{seed[1]}" if seed else "")


def _folder(context: click.Context, name: str, variable: str) -> Path | None:
    given: Any = context.params.get(name) or os.environ.get(variable)
    return expanded(given) if given else None


def _last_of_list(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{item.value}") for item in _starting(last, names)]


def _starting(start: str, names: Iterable[str], limit: int = 500) -> list[CompletionItem]:
    found = (CompletionItem(name) for name in names if name.lower().startswith(start.lower()))
    return list(islice(found, limit))
