from __future__ import annotations

import dataclasses
import itertools
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import bench.runs.tasks
from bench.errors import BenchError
from bench.files.folders import Folders
from bench.files.hashing import content_hash
from bench.lm.training.library import ADAPTER_KIND
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.plan import AdapterJob, Plan, RunJob, plan_of, plan_runs
from bench.runs.request import RunRequest
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec, RunSpec
from tests.support.adapter_toys import SMALL
from tests.support.shop_toy import write_shop

FOUR = ("books", "games", "music", "tools")
FIVE = (*FOUR, "wine")
SHARING = ("target-only", "weight-average", "weaverec")
QUICK = {**SMALL, "max_examples": 16}


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source data of five shops with different articles, and of one that sells what the first does."""
    root = tmp_path_factory.mktemp("shops")
    for seed, name in enumerate(FIVE):
        write_shop(root, name, seed=seed, article=name)
    write_shop(root, "library", seed=9, article=FOUR[0])
    return root


@pytest.fixture
def folders(shops: Path, tmp_path: Path) -> Folders:
    """The shops; nothing is prepared, trained or run."""
    return Folders(tmp_path / "cache", tmp_path / "results", shops)


@pytest.fixture
def spec_of(pico_encoder_folder: Path) -> Any:
    def completed(
        method: str, target: str, sources: Sequence[str] = (), setting: Any = "warm", **wanted: Any
    ) -> RunSpec:
        wanted = {"backbone": str(pico_encoder_folder), "params": QUICK, **wanted}
        return complete(RunRequest(method, target, setting, sources=tuple(sources), **wanted))

    return completed


@pytest.fixture
def cross_domain(spec_of: Any) -> Any:
    """Each of these domains as the target of a method, all others being its sources."""

    def specs(method: str, domains: Sequence[str] = FOUR) -> list[RunSpec]:
        uses_sources = method != "target-only"
        return [spec_of(method, target, sorted({*domains} - {target}) if uses_sources else ()) for target in domains]

    return specs


def quiet(_line: str) -> None: ...


def made_of(plan: Plan) -> dict[str, frozenset[str]]:
    return {job.id: frozenset(job.adapter.names) for job in plan.adapters}


def comes_after_its_needs(plan: Plan) -> bool:
    places = {job.id: place for place, job in enumerate(plan.jobs)}
    return all(places[need] < places[job.id] for job in plan.jobs for need in job.needs)


def test_four_cross_domain_targets_need_four_target_adapters_and_six_hybrids(folders: Folders, cross_domain) -> None:
    plan = plan_of(cross_domain("weaverec"), folders, quiet)
    pairs = [frozenset(pair) for pair in itertools.combinations(FOUR, 2)]
    assert sorted(map(sorted, made_of(plan).values())) == sorted(map(sorted, [*({name} for name in FOUR), *pairs]))
    assert [len(job.needs) for job in plan.runs] == [4] * 4
    assert plan.totals() == {
        "adapters": 10,
        "adapters_by_number_of_domains": {"1": 4, "2": 6},
        "unshared_adapters": 16,
        "adapters_cached": 0,
        "adapters_to_train": 10,
        "adapters_not_needed": 0,
        "runs": 4,
        "runs_stored": 0,
        "runs_to_do": 4,
    }
    assert plan.summary() == (
        "10 adapters (4 of one domain, 6 of two), 0 cached, 10 to train; 4 runs, 0 stored, 4 to do"
    )


def test_a_fifth_domain_adds_one_target_adapter_and_four_hybrids(folders: Folders, cross_domain) -> None:
    before = made_of(plan_of(cross_domain("weaverec"), folders, quiet))
    after = made_of(plan_of(cross_domain("weaverec", FIVE), folders, quiet))
    assert before.items() <= after.items()
    added = [after[job] for job in after if job not in before]
    assert sorted(map(len, added)) == [1, 2, 2, 2, 2]
    assert all("wine" in names for names in added)


def test_methods_share_the_target_adapters(folders: Folders, cross_domain) -> None:
    plan = plan_of([spec for method in SHARING for spec in cross_domain(method)], folders, quiet)
    assert len(plan.adapters) == 10
    assert plan.totals()["unshared_adapters"] == 4 * 1 + 4 * 4 + 4 * 4
    for job in plan.adapters:
        needed_by = [spec.spec.method for spec in plan.needed_by[job.id]]
        alone = ["target-only"] + ["weight-average"] * 4 + ["weaverec"]
        assert needed_by == (alone if len(job.adapter.names) == 1 else ["weaverec"] * 2)


def test_the_hybrid_of_a_and_b_is_the_hybrid_of_b_and_a(folders: Folders, spec_of) -> None:
    plan = plan_of([spec_of("weaverec", "books", ["games"]), spec_of("weaverec", "games", ["books"])], folders, quiet)
    one_way, other_way = ({*job.needs} for job in plan.runs)
    (shared,) = one_way & other_way
    assert made_of(plan)[shared] == {"books", "games"}
    assert len(plan.adapters) == 3


def test_what_goes_on_from_an_adapter_comes_after_it(folders: Folders, spec_of) -> None:
    sources = ["games", "music"]
    plan = plan_of(
        [spec_of("second-finetune", "books", sources), spec_of("reccocktail", "books", sources)], folders, quiet
    )
    general, second, alone = plan.adapters
    assert (general.needs, second.needs, alone.needs) == ((), (general.id,), ())
    assert made_of(plan)[second.id] == made_of(plan)[alone.id] == {"books"}
    assert [run.spec.method for run in plan.needed_by[general.id]] == ["second-finetune", "reccocktail"]
    assert comes_after_its_needs(plan)


def test_a_cold_target_has_an_adapter_of_its_own_and_the_general_one_is_shared(folders: Folders, spec_of) -> None:
    specs = [spec_of("reccocktail", "books", ["games"], setting) for setting in ("warm", "cold")]
    plan = plan_of(specs, folders, quiet)
    assert [sorted(names) for names in made_of(plan).values()] == [["games"], ["books"], ["books"]]
    assert [len(plan.needed_by[job.id]) for job in plan.adapters] == [2, 1, 1]


def test_a_source_with_cold_titles_trains_an_adapter_of_its_own_beside_a_cold_target(folders: Folders, spec_of) -> None:
    specs = [spec_of("reccocktail", "books", ["library"], setting) for setting in ("warm", "cold")]
    plan = plan_of(specs, folders, quiet)
    assert [sorted(names) for names in made_of(plan).values()] == [["library"], ["books"], ["library"], ["books"]]


def test_seeds_and_recipes_make_other_adapters_and_equal_specs_one_run(folders: Folders, spec_of) -> None:
    first = spec_of("target-only", "books")
    specs = [first, first, spec_of("target-only", "books", seed=1)]
    specs += [spec_of("target-only", "books", params={**QUICK, "rank": 2}), dataclasses.replace(first, limit_queries=5)]
    plan = plan_of(specs, folders, quiet)
    assert (len(plan.runs), len(plan.adapters)) == (4, 3)


def test_planning_loads_no_model_trains_nothing_and_reads_each_dataset_once(
    folders: Folders, cross_domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load_domain = bench.runs.tasks.load_domain

    def noted(name: str, *rest: Any) -> Any:
        read.append(name)
        return load_domain(name, *rest)

    monkeypatch.setattr(bench.runs.tasks, "load_domain", noted)
    monkeypatch.setattr("bench.lm.encoders.text_encoder.load_encoder", lambda *_: pytest.fail("a model was loaded"))
    plan_of([spec for method in SHARING for spec in cross_domain(method)], folders, quiet)
    assert sorted(read) == sorted(FOUR)
    assert not folders.results_dir.exists()
    assert {path.parents[1].name for path in folders.cache_dir.glob("*/*/made.json")} == {"domains", "candidates"}


def test_a_method_that_plans_no_adapter_needs_no_data(tmp_path: Path) -> None:
    spec = complete(RunRequest("popularity", "beauty"))
    plan = plan_of([spec], Folders(tmp_path / "cache", tmp_path / "results"), quiet)
    assert plan.summary() == "1 run, 0 stored, 1 to do"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_dataset_is_found_all_the_same(tmp_path: Path) -> None:
    spec = complete(RunRequest("popularity", "beaty"))
    with pytest.raises(BenchError, match="Did you mean beauty"):
        plan_of([spec], Folders(tmp_path / "cache", tmp_path / "results"), quiet)


def test_what_was_trained_and_run_is_planned_as_done(folders: Folders, spec_of) -> None:
    specs = [
        spec_of("weaverec", "books", ["games"]),
        spec_of("second-finetune", "books", ["games"]),
        spec_of("tallrec", "games", ["books"]),
        spec_of("weaverec", "games", ["books"]),
    ]
    before = plan_of(specs, folders, quiet)
    assert [job.id for job in before.to_do()] == [job.id for job in before.jobs]
    for spec in specs[:3]:
        run(spec, folders, quiet)
    after = plan_of(specs, folders, quiet)
    assert [job.id for job in after.jobs] == [job.id for job in before.jobs]
    assert {path.name for path in (folders.cache_dir / ADAPTER_KIND).iterdir()} == {job.id for job in after.adapters}
    assert all(job.is_done for job in after.adapters)
    assert [job.is_done for job in after.runs] == [True, True, True, False]
    (left,) = after.to_do()
    assert left == before.runs[3]
    assert after.summary() == "4 adapters (3 of one domain, 1 of two), 4 cached, 0 to train; 4 runs, 3 stored, 1 to do"

    shutil.rmtree(folders.cache_dir / ADAPTER_KIND)
    lost = plan_of(specs, folders, quiet)
    needed = {*lost.runs[3].needs}
    assert {job.id for job in lost.adapters if lost.state(job) == "to do"} == needed
    assert {job.id for job in lost.to_do()} == {*needed, lost.runs[3].id}
    assert "0 cached, 2 to train, 2 for stored runs only" in lost.summary()


def test_planned_runs_may_keep_their_data_unread(folders: Folders, spec_of, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tasks, "adapters", lambda *_: pytest.fail("data were read"))
    plan = plan_of([spec_of("target-only", "books")], folders, quiet, reads_data=lambda _spec: False)
    assert plan.summary() == "1 run, 0 stored, 1 to do"


def test_a_plan_is_plain_data(folders: Folders, cross_domain) -> None:
    plan = plan_of(cross_domain("weaverec"), folders, quiet)
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301
    assert comes_after_its_needs(plan)
    assert [type(job) for job in plan.jobs[:5]] == [AdapterJob] * 4 + [RunJob]  # a run comes as soon as it can


@dataclass(frozen=True)
class Part:
    """Something that a stranger's method trains."""

    name: str
    start: str | None = None
    kind: str = "parts"
    max_examples: int = 1

    @property
    def needs(self) -> tuple[str, ...]:
        return () if self.start is None else (self.start,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def key(self) -> dict[str, Any]:
        return {"part": self.name, "start": self.start}

    @property
    def id(self) -> str:
        return content_hash(self.key())


def planned(parts: Sequence[Part]) -> Plan:
    spec = RunSpec("stranger", ProtocolSpec("shop"))
    return plan_runs([spec], lambda _: parts, is_cached=lambda _: False, is_stored=lambda _: False)


def test_a_chain_is_put_in_order_whatever_order_it_is_planned_in() -> None:
    first = Part("first")
    second = Part("second", first.id)
    third = Part("third", second.id)
    plan = planned([third, first, second])
    assert [job.id for job in plan.jobs[:3]] == [first.id, second.id, third.id]
    assert plan.runs[0].needs == (third.id, first.id, second.id)


def test_going_on_from_what_is_not_planned_is_an_error_that_names_the_method() -> None:
    with pytest.raises(BenchError, match="Method 'stranger' plans an adapter that needs"):
        planned([Part("second", Part("first").id)])
