from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from bench.contract.checks import CHECKS
from tests.support.broken_methods import broken_methods_installed
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


@pytest.fixture(scope="module", autouse=True)
def _methods() -> Iterator[None]:
    with broken_methods_installed():
        yield


def test_each_check_is_a_line_and_the_last_one_counts_them(bench: Bench) -> None:
    outcome = bench("check", "neighbors")
    assert (outcome.code, outcome.stderr) == (0, "")
    *lines, total = outcome.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * len(CHECKS)
    assert all(f" {name} " in line for name, line in zip(CHECKS, lines, strict=True))
    assert total.startswith("13 checks in ")
    assert total.endswith(" s: 13 ok")


def test_a_failed_check_is_exit_code_1(bench: Bench) -> None:
    outcome = bench("check", "in-order")
    assert (outcome.code, outcome.stderr) == (1, "")
    (line,) = [line for line in outcome.stdout.splitlines() if line.startswith("failed")]
    assert "candidate order  scores change with the candidates' order" in line
    assert outcome.stdout.endswith(" s: 12 ok, 1 failed\n")


def test_a_skipped_check_is_no_failure(bench: Bench) -> None:
    outcome = bench("check", "popularity")
    assert outcome.code == 0
    assert "skipped  learns           a control that reads no titles" in outcome.stdout
    assert outcome.stdout.endswith(" s: 12 ok, 1 skipped\n")


@pytest.mark.parametrize(("method", "code"), [("neighbors", 0), ("not-a-number", 1)])
def test_json_holds_every_check(bench: Bench, method: str, code: int) -> None:
    outcome = bench("check", method, "--json")
    assert (outcome.code, outcome.stderr) == (code, "")
    facts = json.loads(outcome.stdout)
    assert (facts["method"], facts["ok"]) == (method, code == 0)
    assert facts["seconds"] > 0
    assert [check["name"] for check in facts["checks"]] == list(CHECKS)
    assert ({check["status"] for check in facts["checks"]} == {"ok"}) == facts["ok"]
    assert all(check["detail"] for check in facts["checks"])


def test_parameters_reach_the_method(bench: Bench) -> None:
    assert bench("check", "adjustable").code == 1
    assert bench("check", "adjustable", "-p", "learns=yes").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["neighbours"], "Unknown method 'neighbours'. Did you mean neighbors"),
        (["adjustable", "-p", "learn=yes"], "Method 'adjustable' has no parameter 'learn'. Did you mean learns?"),
        (["adjustable", "-p", "learns"], "Parameter 'learns' has no value"),
        (["neighbors", "--backbone", "minilm"], "Method 'neighbors' does not use --backbone: remove it."),
        (["neighbors", "--device", "abacus"], "Device 'abacus' is not available"),
        (["demanding"], "There is no model 'big'. Use --backbone small."),
        (["oracle"], "Method 'oracle' receives the answers"),
    ],
)
def test_a_mistake_is_answered_with_one_line(bench: Bench, words: list[str], message: str) -> None:
    assert message in bench("check", *words).mistake


def test_a_method_without_torch_is_checked_without_torch() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['bench', 'check', 'popularity']\n"
        "from bench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as finished:\n    assert not finished.code\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"
