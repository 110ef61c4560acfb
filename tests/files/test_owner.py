from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.files.owner import Owner


def test_an_owner_reads_back_as_it_was_written() -> None:
    owner = Owner.this_process()
    assert Owner.parse(str(owner)) == owner
    assert owner.pid == os.getpid()


@pytest.mark.parametrize("text", ["", "12", "-00000000", "x-00000000", "12-0", "12-00000000-"])
def test_anything_else_is_no_owner(text: str) -> None:
    assert Owner.parse(text) is None


def test_a_process_is_gone_once_it_has_ended_though_nobody_asked_for_it_yet() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = Owner(process.pid, Owner.this_process().machine)
        assert not owner.is_gone
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_gone
    assert owner.is_gone


def test_of_other_machines_processes_it_is_never_known() -> None:
    owner = Owner(2**22 + 1, "00000000")
    assert not owner.is_here
    assert not owner.is_gone
