from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from bench.plugin.fit_report import AdapterReport, FitReport, TrainingReport
from bench.progress import duration
from bench.runs.complete import complete
from bench.runs.estimate import PlanEstimate, estimate_plan, pace
from bench.runs.plan import Plan, plan_runs
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest
from bench.spec import RunSpec

SIZES = {"beauty": 1_000, "toys": 3_000}


@dataclass(frozen=True)
class ToyAdapter:
    """A planned adapter that is known by its domains alone."""

    names: tuple[str, ...]
    kind: str = "adapters"
    max_examples: int = 10
    needs: tuple[str, ...] = ()

    def key(self) -> dict[str, Any]:
        return {"domains": sorted(self.names)}


def spec_of(method: str, dataset: str = "beauty", **options: Any) -> RunSpec:
    return complete(RunRequest(method, dataset, **options))


def record_of(spec: RunSpec, **fields: Any) -> RunRecord:
    facts = {"seconds": {"prepare": 2.0, "fit": 100.0, "score": 10.0}, "peak_memory_bytes": {"fit": 7, "score": 9}}
    return RunRecord(
        id=spec.hash(),
        spec=spec,
        family="general",
        metrics={},
        candidates_hash="c",
        n_queries=200,
        tie_rate=0.0,
        bench_version="0",
        created="",
        **{**facts, **fields},
    )


def plan(*specs: RunSpec, adapters: tuple[ToyAdapter, ...] = (), stored: bool = False) -> Plan:
    return plan_runs(specs, lambda _spec: adapters, lambda _adapter: False, lambda _spec: stored)


def estimated(made: Plan, *records: RunRecord, n_workers: int = 1) -> PlanEstimate:
    return estimate_plan(made, records, SIZES.get, n_workers)


def test_the_same_run_takes_as_long_as_before() -> None:
    spec = spec_of("sasrec")
    found = estimated(plan(replace(spec, seed=1)), record_of(spec))
    (one,) = found.jobs.values()
    assert (one.seconds, one.memory_bytes, one.disk_bytes, one.n_records) == (112.0, 9, 4_000, 1)


def test_training_grows_with_the_interactions_and_scoring_with_the_queries() -> None:
    record = record_of(spec_of("sasrec"))
    (on_toys,) = estimated(plan(spec_of("sasrec", "toys")), record).jobs.values()
    assert on_toys.seconds == 2 + 3 * 100 + 3 * 10
    assert on_toys.disk_bytes == 3 * 4_000
    (limited,) = estimated(plan(spec_of("sasrec", "toys", limit_queries=20)), record).jobs.values()
    assert limited.phases["score"] == 1.0
    (of_a_tenth,) = estimated(plan(spec_of("sasrec", train_share=0.1, limit_queries=20)), record).jobs.values()
    assert of_a_tenth.seconds == pytest.approx(2 + 10 + 1)


@pytest.mark.parametrize(
    ("before", "taken", "now", "fit_seconds"),
    [
        (200, 50, 10, 20.0),  # a fifth of what was needed
        (200, 50, 100, 100.0),  # it stopped before its limit, and will again
        (50, 50, 100, 200.0),  # the limit had ended it
        (50, 50, 50, 100.0),
        (50, None, 10, 100.0),
    ],
)
def test_training_is_scaled_by_the_epochs_that_are_allowed(
    before: int, taken: int | None, now: int, fit_seconds: float
) -> None:
    record = record_of(
        spec_of("sasrec", params={"epochs": before}), fit=FitReport(training=TrainingReport(epochs=taken))
    )
    (one,) = estimated(plan(spec_of("sasrec", params={"epochs": now})), record).jobs.values()
    assert one.phases["fit"] == fit_seconds


def test_runs_with_the_same_hyperparameters_are_preferred() -> None:
    wide = record_of(spec_of("sasrec", params={"dimensions": 256}), seconds={"fit": 900.0})
    (one,) = estimated(plan(spec_of("sasrec", seed=1)), record_of(spec_of("sasrec")), wide).jobs.values()
    assert (one.phases["fit"], one.n_records) == (100.0, 1)


def test_a_dataset_of_unknown_size_counts_as_equally_large() -> None:
    (one,) = estimated(plan(spec_of("sasrec", "clothing")), record_of(spec_of("sasrec"))).jobs.values()
    assert one.seconds == 112.0


def test_runs_on_the_same_data_are_preferred_and_the_median_of_them_is_taken() -> None:
    spec = spec_of("sasrec")
    records = [record_of(replace(spec, seed=seed), seconds={"fit": fit}) for seed, fit in enumerate((10.0, 20.0, 90.0))]
    other = record_of(spec_of("sasrec", "toys"), seconds={"fit": 9_000.0})
    (one,) = estimated(plan(replace(spec, seed=9)), *records, other).jobs.values()
    assert (one.seconds, one.n_records) == (20.0, 3)


def test_a_method_without_an_earlier_run_is_said_to_be_unknown() -> None:
    found = estimated(plan(spec_of("sasrec"), spec_of("bpr")), record_of(spec_of("sasrec", seed=3)))
    assert found.unknown == (spec_of("bpr").hash(),)
    assert found.summary().endswith("; 1 of 2 jobs have no earlier run")
    assert estimated(plan(spec_of("bpr"))).summary() == "no estimate: there are no earlier runs of these methods"


def test_what_is_stored_takes_no_time() -> None:
    spec = spec_of("sasrec")
    found = estimated(plan(spec, stored=True), record_of(spec))
    assert (found.jobs, found.total_seconds, found.summary()) == ({}, 0, "nothing to do")


def adapted(fit_seconds: float, **seconds: float) -> RunRecord:
    reports = {
        name: AdapterReport(id=name, domains=(name,), n_steps=1, seconds=taken) for name, taken in seconds.items()
    }
    spec = spec_of("target-only", backbone="minilm")
    return record_of(spec, seconds={"fit": fit_seconds}, fit=FitReport(adapters=reports, trained_parameters=100))


@pytest.mark.parametrize("fit_seconds", [65.0, 5.0])  # with the adapter trained in it, and with one that was found
def test_an_adapter_is_estimated_apart_from_the_run_that_needs_it(fit_seconds: float) -> None:
    spec = spec_of("target-only", backbone="minilm", seed=1)
    made = plan(spec, adapters=(ToyAdapter(("beauty",)),))
    found = estimated(made, adapted(fit_seconds, beauty=60.0))
    assert [one.seconds for one in found.jobs.values()] == [60.0, 5.0]
    assert found.jobs[made.adapters[0].id].disk_bytes == 400


def test_an_adapter_needs_the_memory_of_the_runs_that_trained_it() -> None:
    loaded = [replace(adapted(5.0, beauty=60.0), id=str(number)) for number in range(3)]
    trained = replace(adapted(65.0, beauty=60.0), peak_memory_bytes={"fit": 4_000, "score": 9})
    made = plan(spec_of("target-only", backbone="minilm", seed=1), adapters=(ToyAdapter(("beauty",)),))
    assert estimated(made, *loaded, trained).jobs[made.adapters[0].id].memory_bytes == 4_000
    assert estimated(made, *loaded).jobs[made.adapters[0].id].memory_bytes == 7


def test_an_adapter_of_other_domains_grows_with_their_interactions() -> None:
    spec = spec_of("target-only", backbone="minilm", seed=1)
    made = plan(spec, adapters=(ToyAdapter(("beauty", "toys")),))
    assert estimated(made, adapted(60.0, beauty=60.0)).jobs[made.adapters[0].id].seconds == 240.0


def test_an_adapter_takes_no_longer_than_its_examples() -> None:
    spec = spec_of("target-only", backbone="minilm", seed=1)
    earlier = replace(adapted(60.0, beauty=60.0).fit.adapters["beauty"], n_examples=1_000)
    record = replace(adapted(60.0), fit=FitReport(adapters={"beauty": earlier}))
    made = plan(spec, adapters=(ToyAdapter(("beauty",), max_examples=100),))
    assert estimated(made, record).jobs[made.adapters[0].id].seconds == 6.0


def test_workers_share_the_jobs_and_wait_for_what_they_need() -> None:
    spec = spec_of("sasrec")
    four = plan(*(replace(spec, seed=seed) for seed in range(1, 5)))
    record = record_of(spec, seconds={"fit": 100.0})
    assert [estimated(four, record, n_workers=n).seconds for n in (1, 2, 3, 4, 9)] == [400, 200, 200, 100, 100]
    one_after_the_other = plan(spec_of("target-only", backbone="minilm", seed=1), adapters=(ToyAdapter(("beauty",)),))
    found = estimated(one_after_the_other, adapted(65.0, beauty=60.0), n_workers=2)
    assert (found.seconds, found.total_seconds) == (65.0, 65.0)


def test_jobs_that_end_early_shorten_what_is_left_and_short_ones_say_little() -> None:
    assert pace(0.0, 0.0) == 1.0
    assert pace(1.0, 3.0) == pytest.approx(31 / 33)
    assert pace(120.0, 970.0) == pytest.approx(0.15)
    assert pace(970.0, 470.0) == 2.0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (40, "40 s"), (89, "89 s"), (720, "12 min"), (11_100, "3 h 05 min")]
)
def test_durations_are_in_the_unit_that_people_use(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_estimate_is_json() -> None:
    spec = spec_of("sasrec")
    fields = estimated(plan(replace(spec, seed=1)), record_of(spec), n_workers=2).to_json()
    assert fields["total_seconds"] == fields["seconds"] == 112.0
    assert list(fields["jobs"]) == [replace(spec, seed=1).hash()]
