"""The walk over a plan, with executors that do nothing but answer."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.files.folders import Folders
from bench.progress import Jobs
from bench.runs.estimate import Estimate, PlanEstimate
from bench.runs.executors.job import Outcome, Resources, WorkItem
from bench.runs.executors.walk import carry_out, failures
from bench.runs.plan import AdapterJob, Job, Plan, RunJob
from bench.spec import ProtocolSpec, RunSpec
from tests.support.heard import Heard

FOLDERS = Folders(Path("cache"), Path("results"))


@dataclass(frozen=True)
class Part:
    name: str
    needs: tuple[str, ...] = ()
    kind: str = "parts"
    max_examples: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def key(self) -> dict[str, str]:
        return {"name": self.name}


@dataclass
class AtOnce:
    """Answers at once, and notes what was going on together."""

    n_workers: int = 2
    fails: frozenset[str] = frozenset()
    vanishes: frozenset[str] = frozenset()
    begun: list[str] = field(default_factory=list)
    most_at_once: int = 0

    def begin(self, items: Sequence[WorkItem]) -> list[Future[Outcome]]:
        self.most_at_once = max(self.most_at_once, len(items))
        self.begun += [item.id for item in items]
        return [self._answer(item) for item in items]

    def _answer(self, item: WorkItem) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        if item.id in self.vanishes:
            future.set_exception(RuntimeError("killed"))
        else:
            future.set_result(Outcome(item.id, 0.5, "no data" if item.id in self.fails else None))
        return future


def adapter(name: str, *needs: str, is_done: bool = False) -> AdapterJob:
    return AdapterJob(name, Part(name, needs), "tiny", needs, is_done)


def run(method: str, *needs: str, is_done: bool = False) -> RunJob:
    return RunJob(method, RunSpec(method, ProtocolSpec("shop")), needs, is_done)


def walked(jobs: Sequence[Job], executor: AtOnce) -> tuple[list[Outcome], list[str]]:
    told: list[str] = []
    return list(carry_out(Plan(tuple(jobs)), executor, FOLDERS, Resources(), told.append)), told


def test_a_job_begins_once_all_that_it_needs_is_done() -> None:
    executor = AtOnce(n_workers=8)
    outcomes, told = walked([adapter("a"), adapter("b", "a"), run("r", "a", "b"), run("s")], executor)
    assert {outcome.id for outcome in outcomes} == set(executor.begun)
    assert set(executor.begun[:2]) == {"a", "s"}
    assert executor.begun[2:] == ["b", "r"]
    assert told[-1].startswith("[4/4] r on shop warm, seed 0 (r): done in 0.5 s")


def test_what_is_done_is_neither_begun_nor_waited_for() -> None:
    executor = AtOnce()
    walked([adapter("a", is_done=True), run("r", "a"), run("s", is_done=True), adapter("idle")], executor)
    assert executor.begun == ["r"]


def test_no_more_jobs_are_handed_out_than_there_are_workers() -> None:
    executor = AtOnce(n_workers=3)
    walked([run(str(number)) for number in range(10)], executor)
    assert executor.most_at_once == 3
    assert len(executor.begun) == 10


def test_the_remaining_time_is_scaled_by_how_long_ended_jobs_took() -> None:
    expected = {name: Estimate(100.0, 0, 0, 1) for name in ("r", "s", "t")}
    told = Heard()
    plan = Plan((run("r"), run("s"), run("t"), run("unknown")))
    estimate = PlanEstimate(expected, ("unknown",), 1, 300.0)
    list(carry_out(plan, AtOnce(n_workers=1), FOLDERS, Resources(), told, estimate))
    left = [message.seconds_left for message in told.messages if isinstance(message, Jobs)]
    assert left == [300.0, pytest.approx(200 * 30.5 / 130), pytest.approx(100 * 31 / 230), None, None]


@pytest.mark.parametrize("how", ["fails", "vanishes"])
def test_a_job_that_is_not_done_takes_along_all_that_need_it_and_no_other(how: str) -> None:
    executor = AtOnce(**{how: frozenset("a")})
    jobs = [adapter("a"), adapter("b", "a"), adapter("c"), run("r", "a", "b"), run("s", "c")]
    outcomes, told = walked(jobs, executor)
    failed = failures(outcomes)
    assert failed.keys() == {"a", "b", "r"}
    assert ("no data" if how == "fails" else "its worker vanished (killed)") in failed["a"]
    assert failed["b"] == "not started, because adapter a (a) failed"
    assert set(executor.begun) == {"a", "c", "s"}
    assert len(outcomes) == len(jobs)
    assert any("FAILED" in line and "results/logs/a.log" in line for line in told)


@given(st.lists(st.lists(st.integers(0, 11), max_size=4), max_size=12), st.integers(1, 5))
def test_every_job_of_any_plan_is_done_once_and_after_its_needs(graph: list[list[int]], n_workers: int) -> None:
    jobs: list[Job] = [
        adapter(str(number), *sorted({str(need) for need in needs if need < number}))
        for number, needs in enumerate(graph)
    ]
    executor = AtOnce(n_workers=n_workers)
    outcomes, _ = walked([*jobs, run("all", *(job.id for job in jobs))], executor)
    place = {job: number for number, job in enumerate(executor.begun)}
    assert sorted(place) == sorted([*(job.id for job in jobs), "all"]) == sorted(outcome.id for outcome in outcomes)
    assert all(place[need] < place[job.id] for job in jobs for need in job.needs)
