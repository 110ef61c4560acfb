"""``python -m bench`` is the command line."""

from __future__ import annotations

import subprocess
import sys


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


def test_the_package_can_be_run_as_the_command() -> None:
    module = run("-m", "bench", "--help")
    command = run("-c", "from bench.cli.main import main; main()", "--help")
    assert module.returncode == 0
    assert module.stdout.startswith("Usage: bench ")
    assert module.stdout == command.stdout


def test_a_wrong_word_ends_it_as_it_ends_the_command() -> None:
    module = run("-m", "bench", "tabel")
    assert module.returncode == 2
    assert module.stderr.startswith("Error: Unknown command 'tabel'")
    assert "Traceback" not in module.stderr
