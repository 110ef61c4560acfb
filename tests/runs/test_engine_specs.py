from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import pytest

from bench.errors import BenchError
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from bench.spec import RunSpec
from tests.support.fake_methods import know_fakes, registry_with_fakes


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    know_fakes(monkeypatch)


def spec_of(method: str, setting: Any = "warm", dataset: str = "shop", **wanted: Any) -> RunSpec:
    return complete(RunRequest(method, dataset, setting, **wanted))


def test_a_method_without_the_wanted_setting_says_which_it_has() -> None:
    with pytest.raises(BenchError, match="Method 'warm-only' does not support --setting cold; expected warm"):
        spec_of("warm-only", "cold")
    assert spec_of("warm-only").protocol.setting == "warm"


def test_the_order_of_the_sources_does_not_matter() -> None:
    one, other = (spec_of("learner", sources=names) for names in (("a", "b"), ("b", "a")))
    assert one.hash() == other.hash()


def test_the_card_names_the_sources_unless_told_otherwise() -> None:
    assert spec_of("learner", dataset="ml-100k-drama").sources == ("ml-100k-action", "ml-100k-comedy")
    assert spec_of("learner", dataset="ml-100k-drama", sources=("beauty",)).sources == ("beauty",)


@pytest.mark.parametrize(
    ("method", "wanted", "message"),
    [
        ("learner", {"sources": ("market", "shop")}, "'shop' is the target and cannot also be a source"),
        ("learner", {"sources": ("market", "market")}, "--source-datasets contains a dataset twice: market, market"),
        ("learner", {}, "'shop' lists none: give --source-datasets A,B"),
        ("learner", {"dataset": "beaty"}, "Did you mean the dataset beauty"),
        (
            "popularity",
            {"sources": ("market",)},
            "'popularity' does not use --source-datasets: remove it. See 'bench describe popularity'",
        ),
        ("popularity", {"backbone": "tiny"}, "'popularity' does not use --backbone"),
        ("popularity", {"ranking": "likelihood"}, "'popularity' does not use --scoring"),
        ("popularity", {"train_share": 0.0}, "--train-fraction must be above 0 and at most 1, not 0.0"),
        ("popularity", {"train_subset": 1}, "--subset-index needs --train-users: add --train-users"),
        ("popularity", {"train_users": 0}, "--train-users must be at least 1, not 0."),
        ("popularity", {"train_users": 5, "train_share": 0.1}, "--train-users and --train-fraction cannot be combined"),
        (
            "target-only",
            {"ranking": "generate"},
            r"'minilm' is an encoder and cannot generate text.* use a decoder, such as --backbone smollm2",
        ),
        (
            "p5",
            {"ranking": "generate"},
            r"'p5' cannot generate ranked lists.* See 'bench describe p5'",
        ),
        ("target-only", {"backbone": "tiny", "engine": "vllm"}, "--backend needs --scoring gen"),
        ("popularty", {}, r"Unknown method 'popularty'. Did you mean popularity\?"),
        (
            "bpr",
            {"params": {"learning_rat": "1"}},
            r"'bpr' has no parameter 'learning_rat'. Did you mean learning_rate\?",
        ),
        ("bpr", {"params": {"learning_rate": "fast"}}, "'learning_rate' of 'bpr' must be of type float, not 'fast'"),
    ],
)
def test_what_a_method_cannot_use_is_refused_before_anything_is_read(
    method: str, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(BenchError, match=message) as error:
        spec_of(method, **wanted)
    assert "\n" not in str(error.value)


def test_a_spec_states_every_hyper_parameter() -> None:
    bpr = registry().recommender("bpr")
    spec = spec_of("bpr", params={"learning_rate": "0.5"})
    assert spec.params == dataclasses.asdict(bpr.Params(learning_rate=0.5))
    assert spec.hash() == spec_of("bpr", params={"learning_rate": 0.5}).hash() != spec_of("bpr").hash()
    assert spec_of("bpr", params={"learning_rate": bpr.Params().learning_rate}).hash() == spec_of("bpr").hash()


def test_a_wrapped_model_with_unset_parameters_survives_its_spec() -> None:
    spec = spec_of("recbole:NeuMF", params={"mlp_hidden_size": "8,4"})
    assert spec.params["mf_pretrain_path"] is None
    assert spec_of("recbole:NeuMF", params=spec.params) == spec
    assert spec.params["mlp_hidden_size"] == (8, 4)


def test_a_planned_run_leaves_out_what_its_method_does_not_use() -> None:
    def complete_planned(method: str, **wanted: Any) -> RunSpec:
        of_table: dict[str, Any] = {"sources": ("market",), "backbone": "tiny", "limit_queries": 5, **wanted}
        return complete(RunRequest(method, "shop", "cold", **of_table).used_by(registry_with_fakes().entry(method)))

    plain = complete_planned("popularity")
    assert (plain.sources, plain.backbone, plain.limit_queries) == ((), None, 5)
    assert complete_planned("learner").sources == ("market",)
    assert complete_planned("learner", train_share=0.2).train_share == 0.2
    few = complete_planned("learner", train_users=50, train_subset=3)
    assert (few.train_users, few.train_subset) == (50, 3)
    full = complete_planned("reccocktail", ranking="likelihood")
    assert (full.sources, full.backbone, full.ranking) == (("market",), "tiny", None)


def test_the_engine_of_lists_is_part_of_a_run_and_the_default_has_one_name() -> None:
    lists = partial(spec_of, "target-only", backbone="tiny", ranking="generate")
    assert lists(engine="transformers") == lists()
    assert lists(engine="vllm").hash() != lists().hash() != spec_of("target-only", backbone="tiny").hash()
    assert "engine" not in lists().key()
    assert lists(engine="vllm").key() == {**lists().key(), "engine": "vllm"}
