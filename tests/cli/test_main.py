from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from bench import __version__
from bench.cli.main import COMMANDS, cli
from bench.errors import BenchError
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


@pytest.mark.parametrize(
    "command", [*COMMANDS, "data prepare", "data verify", "data import", "data stats", "list runs"]
)
def test_every_command_explains_itself_with_two_examples(bench: Bench, command: str) -> None:
    outcome = bench(*command.split(), "--help")
    assert outcome.code == 0
    assert outcome.stderr == ""
    assert outcome.stdout.startswith(f"Usage: bench {command} ")
    examples = outcome.stdout.partition("\n  Examples:\n")[2].splitlines()
    assert sum(f"{line} ".startswith(f"    bench {command} ") for line in examples) >= 2


@pytest.mark.parametrize("words", [[], ["run"], ["data"], ["data", "stats"]])
def test_the_short_option_prints_the_help_too(bench: Bench, words: list[str]) -> None:
    assert bench(*words, "-h") == bench(*words, "--help")
    assert bench(*words, "-h").stdout.startswith("Usage: bench")


def test_choices_of_an_error_are_printed_below_its_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def ambiguous() -> None:
        raise BenchError("Which one?", choices="id  run\n1   \x1b[2Jone")

    monkeypatch.setattr("bench.data.card.list_cards", ambiguous)
    assert bench("list", "datasets") == Outcome(2, "", "Error: Which one?\nid  run\n1   \\x1b[2Jone\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_does(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    commands = [found, *(found.commands.values() if isinstance(found, click.Group) else ())]
    silent = [
        option.name
        for one in commands
        for option in one.params
        if isinstance(option, click.Option) and not option.help and not isinstance(option.type, click.Choice)
    ]
    assert silent == []


def test_the_help_lists_every_command_with_one_line(bench: Bench) -> None:
    outcome = bench("--help")
    assert outcome.code == 0
    lines = [" ".join(line.split()) for line in outcome.stdout.splitlines()]
    assert all(f"{name} {meaning}" in lines for name, meaning in COMMANDS.items())
    assert outcome.stdout.count("  bench ") >= 2


def test_the_version_is_told(bench: Bench) -> None:
    assert bench("--version") == Outcome(0, f"bench, version {__version__}\n", "")


def test_without_a_command_the_help_is_shown_and_the_call_fails(bench: Bench) -> None:
    outcome = bench()
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("Usage: bench ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "Unknown command 'rnu'. Did you mean run? See 'bench --help'."),
        (["tabel"], "Unknown command 'tabel'. Did you mean table? See 'bench --help'."),
        (["--verison"], "No such option '--verison'. Did you mean '--version'? See 'bench --help'."),
        (["run"], "Missing option '--dataset'. See 'bench run --help'."),
        (["run", "--dataset", "shop"], "Missing option '--method' (or --methods). See 'bench run --help'."),
        (["run", "--method", "bpr"], "Missing option '--dataset'. See 'bench run --help'."),
        (["list", "method"], "Unknown subcommand of 'bench list' 'method'. Did you mean methods"),
        (["describe"], "Missing argument 'NAME'. See 'bench describe --help'."),
        (["describe", "beaty"], "Unknown method, dataset, backbone or metric 'beaty'. Did you mean beauty"),
        (["candidates", "beaty"], "Unknown dataset 'beaty'. Did you mean beauty"),
        (["candidates", "shop", "--setting", "hot"], "'hot' is not one of 'warm', 'cold', 'user-split'."),
        (["candidates", "shop", "--setting", "user_split"], "'cold', 'user-split'. Did you mean user-split?"),
        (["table", "--dataset", "shop", "--setting", "wram"], "Did you mean warm? See 'bench table --help'."),
        (["candidates", "shop", "--policy", "wild"], "'wild' is not one of 'holdout', 'natural'."),
        (["candidates", "shop", "--protocol-seed", "x"], "'x' is not a valid integer"),
        (["reproduce", "dmeo"], "Unknown experiment 'dmeo'. Did you mean demo? See 'bench list experiments'."),
        (["reproduce", "demo", "--limit-queries", "0"], "0 is not in the range"),
        (["table", "dmeo"], "Unknown experiment 'dmeo'. Did you mean demo?"),
        (["table"], "Give either the name of an experiment, or both --dataset and --setting"),
        (["compare", "one", "two"], "No run 'one'"),
        (["data", "stats", "beaty"], "Unknown dataset 'beaty'. Did you mean beauty"),
        (["data", "stat", "beauty"], "No such command 'stat'."),
        (["doctor", "now"], "Got unexpected extra argument (now)"),
    ],
)
def test_a_mistake_is_answered_with_one_line_that_helps(bench: Bench, words: list[str], message: str) -> None:
    assert message in bench(*words).mistake


def test_a_file_in_the_place_of_a_folder_is_a_mistake_of_one_line(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ("run", "--method", "constant", "--dataset", "shop", "--device", "cpu")
    assert "file" in bench(*words, "--results-dir", tmp_path / "file").stderr.splitlines()[-1]
    assert bench(*words, "--results-dir", tmp_path / "file").code == 2
    assert "file" in bench(*words, "--cache-dir", tmp_path / "file").stderr.splitlines()[-1]
    assert bench(*words, "--cache-dir", tmp_path / "file").code == 2


def test_an_interrupt_ends_with_code_130_and_says_what_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.data.card.list_cards", interrupted)
    outcome = bench("list", "datasets")
    assert (outcome.code, outcome.stdout) == (130, "")
    told = outcome.stderr.strip()
    assert told.startswith("Interrupted. Finished runs, trained models and checkpoints are kept")
    assert "\n" not in told


def test_a_scheduler_that_ends_a_process_leaves_no_temporary_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from bench.cli.main import main\n"
        "from bench.data import card\n"
        "from bench.files.store import ArtifactStore\n"
        "root = Path(sys.argv.pop())\n"
        "def make(folder):\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "card.list_cards = lambda *_: ArtifactStore(root).get_or_make('models', 'key', make)\n"
        "main()"
    )
    words = [sys.executable, "-c", code, "list", "datasets", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert list((tmp_path / "models").iterdir())
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert not list((tmp_path / "models").iterdir())


def test_a_fault_of_the_bench_itself_is_not_hidden(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.data.card.list_cards", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench("list", "datasets")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import json, sys\n"
        "sys.argv = ['bench', '--help']\n"
        "from bench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as finished:\n    assert not finished.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stderr))
    assert not imported & {"numpy", "pandas", "torch", "pyarrow", "scipy", "yaml", "bench.cli.run"}


def test_the_module_can_be_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli.main", "rnu"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: Unknown command 'rnu'. Did you mean run? See 'bench --help'.\n"
