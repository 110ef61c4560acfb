from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from bench.errors import BenchError
from bench.experiments.complete import complete_experiment
from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.experiments.scale import DEFAULT_SCALE, SCALES, Scale, with_changes
from bench.experiments.scaling import OFF_AT_ZERO, scaled, sizes_of, with_sizes
from bench.plugin import shrinks_to
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.params import field_docstrings


def experiment(*rows: ExperimentRow, **changes: Any) -> Experiment:
    facts: dict[str, Any] = {
        "name": "small",
        "caption": "A small table.",
        "rows": rows,
        "datasets": (ExperimentDataset("beauty", "Beauty", ("clothing",)),),
        "settings": ("warm",),
        "metrics": ("ndcg@1",),
        **changes,
    }
    return Experiment(**facts)


def spec_at(scale: str, row: ExperimentRow, **fields: Any) -> Any:
    ((_, spec),) = complete_experiment(scaled(experiment(row, **fields), scale, registry()))
    return spec


def test_the_default_scale_is_what_the_file_states() -> None:
    rows = (ExperimentRow("bpr", "BPR"), ExperimentRow("weaverec", "WeaveRec", {"rank": 8}, train_share=0.3))
    stated = experiment(*rows)
    at_cpu = scaled(stated, "cpu", registry())
    assert [cell.request for cell in at_cpu.cells()] == [cell.request for cell in stated.cells()]
    assert (at_cpu.file_name, at_cpu.scale) == ("small", DEFAULT_SCALE)


@pytest.mark.parametrize("name", SCALES)
def test_the_caption_says_which_scale_made_it(name: str) -> None:
    caption = scaled(experiment(ExperimentRow("bpr", "BPR")), name, registry()).caption
    assert caption == "A small table." if name == "cpu" else f"A small table. Scale {name}: " in caption


def test_another_scale_than_the_default_stands_in_the_file_name() -> None:
    assert scaled(experiment(ExperimentRow("bpr", "BPR")), "smoke", registry()).file_name == "small-smoke"


def test_smoke_cuts_queries_shares_and_samples() -> None:
    smoke = SCALES["smoke"]
    spec = spec_at("smoke", ExperimentRow("weaverec", "WeaveRec", train_share=0.5))
    assert spec.limit_queries == smoke.limit_queries
    assert spec.train_share == pytest.approx(0.5 * smoke.train_share)
    assert spec.params["max_examples"] == smoke.max_examples
    assert spec.params["n_validation"] == spec.limit_validation == smoke.validation_queries
    assert spec.backbone == "minilm"


def test_smoke_cuts_numbers_of_training_users_and_keeps_them_apart() -> None:
    specs = [spec_at("smoke", ExperimentRow("text-knn", "kNN", train_users=users)) for users in (1, 50, 100, 1000)]
    assert [spec.train_users for spec in specs] == [1, 6, 7, 25]
    assert {spec.train_share for spec in specs} == {1.0}


def test_a_method_without_a_sample_keeps_its_parameters() -> None:
    assert spec_at("smoke", ExperimentRow("bpr", "BPR")).params == spec_at("cpu", ExperimentRow("bpr", "BPR")).params


@pytest.mark.parametrize(("scale", "expected"), [("smoke", 32), ("cpu", 500), ("full", 500)])
def test_a_sample_that_the_file_states_is_never_made_larger(scale: str, expected: int) -> None:
    row = ExperimentRow("reccocktail", "RecCocktail", {"max_examples": 500})
    assert spec_at(scale, row).params["max_examples"] == expected


def test_fewer_queries_than_the_scale_asks_for_stay_fewer() -> None:
    assert spec_at("smoke", ExperimentRow("bpr", "BPR"), limit_queries=5).limit_queries == 5


@pytest.mark.parametrize(
    ("method", "row_backbone", "expected"),
    [
        ("weaverec", None, "Qwen/Qwen2-7B-Instruct"),
        ("zeroshot", None, "Qwen/Qwen2-7B-Instruct"),
        ("xcross", None, "microsoft/deberta-v3-base"),
        ("text-knn", None, "minilm"),
        ("unisrec", None, "minilm"),
        ("p5", "tiny", "tiny"),
        ("weaverec", "tiny", "tiny"),
    ],
)
def test_full_gives_each_kind_of_method_its_papers_backbone(
    method: str, row_backbone: str | None, expected: str
) -> None:
    assert spec_at("full", ExperimentRow(method, method, backbone=row_backbone)).backbone == expected


def test_an_experiment_may_state_a_scale_differently() -> None:
    own = (with_changes("full", {"backbone": "other/model"}), with_changes("cpu", {"says": "a few cores."}))
    row = ExperimentRow("weaverec", "WeaveRec")
    assert spec_at("full", row, own_scales=own).backbone == "other/model"
    assert spec_at("full", row, own_scales=own).params["max_examples"] == 40_000
    assert scaled(experiment(row, own_scales=own), "cpu", registry()).caption.endswith("Scale cpu: a few cores.")


def test_the_command_of_a_sized_run_makes_the_same_run() -> None:
    row = ExperimentRow("weaverec", "WeaveRec")
    ((request, spec),) = complete_experiment(scaled(experiment(row), "smoke", registry()))
    assert "-p max_examples=32" in request.command()
    assert "--limit-validation 20" in request.command()
    assert complete(request) == spec


def test_at_another_scale_one_command_makes_all_runs() -> None:
    at_smoke = scaled(experiment(ExperimentRow("bpr", "BPR")), "smoke", registry())
    (cell,) = at_smoke.cells()
    assert at_smoke.command(cell.request) == "bench reproduce small --scale smoke"


def test_scales_differ_in_size_and_backbone_alone() -> None:
    """A new field of a scale has to be thought of here: nothing but data, queries and backbone may change."""
    fields = set(Scale.__dataclass_fields__) - {"name", "says"}
    sizes = {"limit_queries", "train_share", "max_examples", "validation_queries"}
    assert fields == sizes | {"backbone", "encoder"}


@dataclass(frozen=True)
class Sized:
    samples: int = field(default=500, metadata=shrinks_to("examples"))
    looks: int = field(default=50, metadata=shrinks_to("validation"))
    layers: int = 2


def test_a_scale_sets_the_parameters_that_say_so() -> None:
    assert SCALES["smoke"].sizes_of(Sized) == {"samples": 32, "looks": 20}
    assert SCALES["full"].sizes_of(Sized) == {"samples": 40_000}
    assert SCALES["cpu"].sizes_of(Sized) == {}


def test_a_method_that_is_not_installed_has_no_sizes() -> None:
    assert sizes_of("nobody", SCALES["smoke"], registry()) == {}


@pytest.mark.parametrize("method", sorted(name for name, entry in registry().entries.items() if not entry.wraps))
def test_parameters_of_one_name_follow_a_scale_in_every_method(method: str) -> None:
    """A field that a subclass states anew would else forget it."""
    examples, validation = (
        ("max_examples", "general_max_examples", "pretrain_examples", "target_examples"),
        ("validation_queries", "n_validation"),
    )
    kinds = {**dict.fromkeys(examples, 32), **dict.fromkeys(validation, 20)}
    names = {item.name for item in fields(registry().recommender(method).Params)}
    assert sizes_of(method, SCALES["smoke"], registry()) == {name: kinds[name] for name in kinds if name in names}


def test_the_size_of_a_scale_never_raises_what_a_row_states() -> None:
    assert with_sizes({"samples": 10, "looks": None, "layers": 1}, {"samples": 32, "looks": 20, "held": 0.1}) == {
        "samples": 10,
        "looks": 20,
        "layers": 1,
        "held": 0.1,
    }


def test_all_of_the_data_is_more_than_a_scale_s_size() -> None:
    assert with_sizes({"samples": 0}, {"samples": 32}) == {"samples": 32}
    assert with_sizes({"pretrain_examples": 0}, {"pretrain_examples": 32}) == {"pretrain_examples": 0}


def test_a_recipe_with_all_of_the_data_is_cut_by_a_quick_check() -> None:
    params = spec_at("smoke", ExperimentRow("tallrec", "TALLRec", {"max_examples": 0, "n_validation": 0})).params
    assert (params["max_examples"], params["n_validation"]) == (32, 20)


@pytest.mark.parametrize("method", sorted(name for name, entry in registry().entries.items() if not entry.wraps))
def test_sizes_that_are_nothing_at_0_are_known(method: str) -> None:
    params_class = registry().recommender(method).Params
    said = field_docstrings(params_class)
    off = {name for name in SCALES["smoke"].sizes_of(params_class) if "0 skips" in said[name]}
    assert off == OFF_AT_ZERO & said.keys()


@pytest.mark.parametrize(("scale", "expected"), [("smoke", 32), ("cpu", 52_000), ("full", 52_000)])
def test_only_a_quick_check_cuts_a_recipe(scale: str, expected: int) -> None:
    row = ExperimentRow("reccocktail-s", "RecCocktail-S", {"recipe": "paper"})
    assert spec_at(scale, row).params["max_examples"] == expected


def test_full_finds_the_run_of_a_recipe_that_it_made() -> None:
    row = ExperimentRow("reccocktail-s", "RecCocktail-S", {"recipe": "paper"})
    at_full = scaled(experiment(row), "full", registry())
    ((request, spec),) = complete_experiment(at_full)
    (cell,) = at_full.cells()
    sizes = sizes_of(row.method, at_full.scale, registry())
    assert sizes == {"max_examples": 40_000}
    assert with_sizes(cell.request.params, sizes) == request.params == dict(cell.request.params)
    assert complete(request) == spec


def test_a_method_without_recipes_is_given_none_at_any_scale() -> None:
    for scale in SCALES:
        with pytest.raises(BenchError, match="has no parameter 'recipe'"):
            spec_at(scale, ExperimentRow("bpr", "BPR", {"recipe": "paper"}))
