from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from bench.cli.completion import BenchBashComplete
from bench.cli.main import cli
from bench.cli.static_methods import methods, parameters_of
from bench.files.folders import Folders
from bench.registry import registry
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


def proposed(line: str) -> list[str]:
    """Return what is proposed for the last word of a command line."""
    *words, incomplete = line.split(" ")
    complete = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE")
    return [item.value for item in complete.get_completions(words[1:], incomplete)]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("bench li", ["list"]),
        ("bench run --method reccocktail-", ["reccocktail-g", "reccocktail-s", "reccocktail-wa"]),
        ("bench run --method SASR", ["sasrec"]),
        ("bench run --method recbole", ["recbole:"]),
        ("bench run --methods bpr,sasr", ["bpr,sasrec"]),
        ("bench run --dataset ml-100k-d", ["ml-100k-drama"]),
        ("bench run --dataset sho", ["shop"]),
        ("bench run --source-datasets beauty,cloth", ["beauty,clothing"]),
        ("bench run --method bpr -p le", ["learning_rate="]),
        ("bench run --method reccocktail -p search=", ["search=auto", "search=grid", "search=adam"]),
        ("bench run --method reccocktail -p space=f", ["space=factor"]),
        ("bench run --method reccocktail -p rec", ["recipe="]),
        ("bench run --method xcross -p recipe=", ["recipe=fast", "recipe=paper"]),
        ("bench run --method bpr -p rec", []),
        ("bench run --method recbole:NARM -p hid", ["hidden_size="]),
        ("bench run --method nothing -p ", []),
        ("bench check bpr -p di", ["dimensions="]),
        ("bench table main-", ["main-warm-cold"]),
        ("bench reproduce dem", ["demo"]),
        ("bench plan demo main-w", ["main-warm-cold"]),
        ("bench describe beau", ["beauty"]),
        ("bench data stats beau", ["beauty"]),
        ("bench list runs --setting w", ["warm"]),
    ],
)
@pytest.mark.usefixtures("bench")
def test_names_are_completed(line: str, names: list[str]) -> None:
    assert proposed(line) == names


def test_stored_runs_are_completed_by_name_and_by_id(bench: Bench) -> None:
    words = ("run", "--method", "random", "--dataset", "shop", "--json")
    plain, full = (json.loads(bench(*words, *more).stdout)["id"] for more in ([], ["--full-ranking", "--seed", "3"]))
    names = ["random@shop@warm", "random@shop@warm@full", "random@shop@warm@full@seed3", "random@shop@warm@seed0"]
    for command in ("show", "rm", "diagnose", "compare"):
        assert proposed(f"bench {command} rand") == names
    assert proposed(f"bench show {plain[:8]}") == [plain]
    assert proposed(f"bench compare random@shop@warm {full[:8]}") == [full]
    assert proposed("bench show nothing") == []


def test_the_source_files_name_the_same_methods_and_parameters_as_the_registry() -> None:
    known = registry()
    assert {method.name for method in methods()} == set(known.entries) - {"mine"}
    for name, entry in known.entries.items():
        if not entry.wraps and name != "mine":
            recommender = known.recommender(name)
            fields = [item.name for item in dataclasses.fields(recommender.Params)]
            found = dict(parameters_of(name))
            assert found.pop("recipe", ()) == tuple(recommender.recipes), name
            assert sorted(found) == sorted(fields), name


@pytest.mark.parametrize(
    "line", ["bench run --method bp", "bench run --method reccocktail -p s", "bench run --dataset b", "bench show r"]
)
def test_completion_imports_nothing_slow(line: str) -> None:
    code = (
        "import json, sys\n"
        "from bench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_BENCH_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **words}
    )
    imported = set(json.loads(done.stderr.splitlines()[-1]))
    assert not imported & {"numpy", "pandas", "torch", "pyarrow", "scipy", "yaml"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "words", "reply"),
    [
        ("bench run --method sasr", ["bench", "run", "--method", "sasr"], ["sasrec"]),
        ("bench run --method bpr -p lea", ["bench", "run", "--method", "bpr", "-p", "lea"], ["learning_rate="]),
        (
            "bench run --method reccocktail -p search=a",
            ["bench", "run", "--method", "reccocktail", "-p", "search", "=", "a"],
            ["auto", "adam"],
        ),
        ("bench show random@sh", ["bench", "show", "random", "@", "sh"], ["shop@warm", "shop@warm@seed0"]),
        ("bench show random@", ["bench", "show", "random", "@"], ["shop@warm", "shop@warm@seed0"]),
    ],
)
def test_bash_is_told_what_follows_the_signs_at_which_it_breaks_words(
    bench: Bench, folders: Folders, tmp_path: Path, line: str, words: list[str], reply: list[str]
) -> None:
    bench("run", "--method", "random", "--dataset", "shop")
    program = tmp_path / "bench"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bench "$@"\n')
    program.chmod(0o755)
    complete = BenchBashComplete(click.Command("bench"), {}, "bench", "_BENCH_COMPLETE")
    script = complete.source_template % complete.source_vars()
    quoted = " ".join(f"'{word}'" for word in words)
    script += (
        f"\nCOMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        f'compopt() {{ :; }}\n{complete.func_name} "{program}"; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(reply)
