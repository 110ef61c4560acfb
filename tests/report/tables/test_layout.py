from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from bench.errors import BenchError
from bench.experiments.experiment import ExperimentDataset
from bench.plugin import Entry
from bench.registry import Registry
from bench.report.tables.layout import experiment_layout, matches, stored_layout
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from bench.spec import Setting
from tests.support.small_tables import experiment

Save = Callable[..., RunRecord]
REGISTRY = Registry({"oracle": Entry("oracle", "control", privileged=True)}, {})
PLAIN = Entry("bpr", "general")
MERGING = Entry("lora", "merging", needs_sources=True, runs_on="decoder")


def planned(method: str = "bpr", **fields: Any) -> RunRequest:
    return RunRequest(method, "beauty", "warm", sources=("clothing",), backbone="minilm", **fields)


def test_a_dataset_has_no_columns_in_settings_that_it_is_not_used_in() -> None:
    datasets = (ExperimentDataset("beauty", "Beauty"), ExperimentDataset("toys", "Toys", settings=("warm",)))
    settings: tuple[Setting, ...] = ("warm", "cold")
    layout = experiment_layout(experiment("bpr", datasets=datasets, settings=settings), [], REGISTRY)
    assert [group.title for group in layout.groups] == ["Beauty, warm", "Beauty, cold", "Toys, warm"]
    assert [len(row.slots) for row in layout.rows] == [3]


def test_a_method_without_sources_and_backbone_matches_whatever_the_table_names(save_run: Save) -> None:
    record = save_run("bpr", [0])
    assert matches(planned(), record, PLAIN)
    assert matches(planned(), record, None)


def test_a_method_with_sources_and_backbone_must_have_the_tables_own(save_run: Save) -> None:
    right = save_run("lora", [0], sources=("clothing",), backbone="minilm")
    assert matches(planned("lora"), right, MERGING)
    assert not matches(planned("lora"), save_run("lora", [0], sources=("clothing",), backbone="tiny"), MERGING)
    assert not matches(planned("lora"), save_run("lora", [0], sources=("sports",), backbone="minilm"), MERGING)
    assert not matches(planned("lora"), save_run("lora", [0], backbone="minilm"), MERGING)


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 1},
        {"limit_queries": 500},
        {"train_share": 0.1},
        {"train_users": 50},
        {"train_users": 50, "train_subset": 1},
        {"dataset": "toys"},
        {"setting": "cold"},
        {"overrides": {"layers": 3}},
    ],
)
def test_a_run_of_another_seed_sample_place_or_parameter_does_not_match(save_run: Save, fields: dict[str, Any]) -> None:
    assert not matches(planned(), save_run("bpr", [0], **fields), PLAIN)


def test_overrides_match_by_value_and_a_named_default_matches_the_default(save_run: Save) -> None:
    changed = save_run("bpr", [0], overrides={"layers": 3})
    assert matches(planned(params={"layers": 3}), changed, PLAIN)
    assert not matches(planned(params={"layers": 4}), changed, PLAIN)
    assert matches(planned(params={"layers": 2}), save_run("bpr", [0]), PLAIN)


def test_a_whole_number_in_a_file_matches_the_same_decimal_number(save_run: Save) -> None:
    undecayed = save_run("bpr", [0], overrides={"decay_share": 0.0})
    assert matches(planned(params={"decay_share": 0}), undecayed, PLAIN)
    assert not matches(planned(params={"decay_share": 1}), undecayed, PLAIN)
    assert not matches(planned(params={"decay_share": False}), undecayed, PLAIN)


def test_the_cold_policy_counts_in_the_cold_setting_alone(save_run: Save) -> None:
    natural = save_run("bpr", [0], setting="cold", policy="natural")
    assert not matches(RunRequest("bpr", "beauty", "cold"), natural, PLAIN)
    assert matches(RunRequest("bpr", "beauty", "cold", "natural"), natural, PLAIN)
    assert matches(RunRequest("bpr", "beauty", "warm", "natural"), save_run("bpr", [0]), PLAIN)


def test_stored_runs_are_rows_by_family_and_variant_with_seeds_together(run_store: RunStore, save_run: Save) -> None:
    save_run("sasrec", [0], family="sequential")
    save_run("bpr", [0])
    save_run("bpr", [1], seed=1)
    save_run("bpr", [0], overrides={"layers": 3})
    save_run("bpr", [0], dataset="toys")
    layout = stored_layout("beauty", "warm", run_store.records(), REGISTRY)
    assert [row.label for row in layout.rows] == ["bpr (layers=3)", "bpr (defaults)", "sasrec"]
    assert [len(row.records) for row in layout.rows] == [1, 2, 1]


def test_other_policies_and_samples_get_columns_of_their_own(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0], setting="cold")
    save_run("bpr", [0], setting="cold", policy="natural")
    save_run("bpr", [0], setting="cold", limit_queries=1)
    layout = stored_layout("beauty", "cold", run_store.records(), REGISTRY)
    assert sorted(group.title for group in layout.groups) == [
        "beauty, cold",
        "beauty, cold (natural)",
        "beauty, cold, 1 queries",
    ]
    assert [len(slot.records) for slot in layout.rows[0].slots] == [1, 1, 1]


def test_oracle_and_constant_are_references_and_other_controls_are_not(run_store: RunStore, save_run: Save) -> None:
    save_run("oracle", [0, 0], family="control")
    save_run("constant", [0, 0], tied=[29, 29], family="control")
    save_run("random", [3, 9], family="control")
    layout = stored_layout("beauty", "warm", run_store.records(), REGISTRY)
    assert {row.method: row.reference for row in layout.rows} == {"constant": True, "oracle": True, "random": False}


def test_a_dataset_without_runs_is_an_error_with_the_next_command(run_store: RunStore) -> None:
    with pytest.raises(BenchError, match=r"No runs on dataset 'beauty' in setting 'warm' are stored\..*bench run"):
        stored_layout("beauty", "warm", run_store.records(), REGISTRY)


def test_a_path_is_no_dataset_to_make_a_run_of(run_store: RunStore) -> None:
    with pytest.raises(BenchError, match=r"'\./beauty' is not a valid dataset name: .* Did you mean beauty\?"):
        stored_layout("./beauty", "warm", run_store.records(), REGISTRY)


def test_sources_match_in_any_order_and_none_named_means_the_cards_own(save_run: Save) -> None:
    record = save_run("lora", [0, 1], sources=("action", "comedy"), backbone="minilm")
    wanted = RunRequest("lora", "beauty", "warm", backbone="minilm", sources=("comedy", "action"))
    assert matches(wanted, record, MERGING)
    assert matches(replace(wanted, sources=()), record, MERGING)
    assert not matches(replace(wanted, sources=("comedy",)), record, MERGING)


def test_a_table_takes_lists_of_the_default_engine(save_run: Save) -> None:
    record = save_run("lora", [0, 1], sources=("a",), backbone="tiny")
    lists = replace(record, spec=replace(record.spec, ranking="generate"))
    wanted = RunRequest("lora", "beauty", "warm", backbone="tiny", sources=("a",), ranking="generate")
    assert matches(wanted, lists, MERGING)
    assert not matches(wanted, replace(lists, spec=replace(lists.spec, engine="vllm")), MERGING)


def test_the_sizes_of_a_scale_count_for_a_method_that_has_such_a_parameter(save_run: Save) -> None:
    small = save_run("bpr", [0], overrides={"layers": 1})
    assert not matches(planned(), small, PLAIN)
    assert matches(planned(), small, PLAIN, lambda: {"layers": 1, "max_examples": 32})
    assert not matches(planned(), small, PLAIN, lambda: {"layers": 9})
    assert matches(planned(params={"layers": 1}), small, PLAIN, lambda: {"layers": 9})


def test_the_sizes_are_asked_for_only_where_all_else_agrees(save_run: Save) -> None:
    other = save_run("bpr", [0], limit_queries=10)
    assert not matches(planned(), other, PLAIN, lambda: pytest.fail("imports the method"))


@dataclass(frozen=True)
class Grown:
    layers: int = 2
    warm_up: float = field(default=0.0, metadata={"neutral": True})


def test_a_neutral_parameter_at_its_default_is_in_no_record_and_matches(
    save_run: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.report.tables.layout.load", lambda _target: SimpleNamespace(Params=Grown))
    grown, record = replace(PLAIN, target="somewhere:Grown"), save_run("bpr", [0])
    assert matches(planned(params={"warm_up": 0.0}), record, grown)
    assert not matches(planned(params={"warm_up": 0.1}), record, grown)
    assert not matches(planned(params={"warm_up": 0.0}), record, PLAIN)
    assert matches(planned(params={"warm_up": 0.1}), save_run("bpr", [0], overrides={"warm_up": 0.1}), grown)
