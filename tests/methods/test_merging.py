"""The merging methods that WeaveRec is compared with, and WeaveRec itself, on toy domains."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.files.store import ArtifactStore
from bench.lm.loading import planned_backbone, task_backbone
from bench.lm.training.library import ADAPTER_KIND
from bench.plugin import Answers, FitReport, LastLoaded, MergeReport, Queries, Task
from bench.protocol.splits import share_of_training
from bench.protocol.task import PreparedTask
from bench.registry import registry
from tests.support.adapter_toys import fitted, prepared_toy, toy_recommender, toy_task

ALONE = ("target-only", "all-data", "second-finetune", "reccocktail-g", "reccocktail-s")
DOMAIN_MERGES = ("weight-average", "adamerging", "lora-lego", "ties-merging", "dare", "ext-sub")
METHODS = (*ALONE, *DOMAIN_MERGES, "weaverec", "weaverec-adamerging", "reccocktail-wa", "reccocktail")
LEARNING = ("adamerging", "weaverec-adamerging", "reccocktail")
FEW_STEPS = {method: {"n_prompts": 6, "prompts_a_step": 3, "passes": 2} for method in LEARNING}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedTask:
    return prepared_toy("target", ArtifactStore(tmp_path_factory.mktemp("candidates")))


@pytest.fixture(scope="module")
def make_task(prepared, wide_encoder_folder, tmp_path_factory) -> Callable[..., Task]:
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))

    def make(**changes: Any) -> Task:
        return toy_task(prepared, **{"store": store, "backbone": wide_encoder_folder, **changes})

    return make


def asked(domains: Mapping[str, PreparedTask]) -> Callable[[str], tuple[Queries, Answers]]:
    """Return what gives the validation queries of the domain of a name."""
    return lambda name: (domains[name].validation.queries, domains[name].validation.answers)


def trained_hashes(store: ArtifactStore) -> set[str]:
    folder = store.root / ADAPTER_KIND
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def scores_of(method: str, task: Task, queries: Any, **params: Any) -> np.ndarray:
    return fitted(method, task, **{**FEW_STEPS.get(method, {}), **params}).score(queries)


@pytest.mark.parametrize("method", METHODS)
def test_it_trains_exactly_the_adapters_it_planned_without_loading_a_model(
    method: str, make_task, prepared, tmp_path: Path, monkeypatch
) -> None:
    """Planned from nothing, then trained: every planned folder is there, and no other."""
    fresh = make_task(artifacts=ArtifactStore(tmp_path))
    recommender = toy_recommender(method, max_examples=16, **FEW_STEPS.get(method, {}))
    with monkeypatch.context() as patched:
        patched.setattr("bench.lm.encoders.text_encoder.load_encoder", lambda *_: pytest.fail("a model was loaded"))
        planned = recommender.adapters(fresh)
    assert trained_hashes(fresh.artifacts) == set()
    recommender.fit(fresh)
    assert [content_hash(spec.key()) for spec in planned] == [facts.id for facts in recommender.facts.values()]
    assert trained_hashes(fresh.artifacts) == {content_hash(spec.key()) for spec in planned}
    scores = recommender.score(prepared.test.queries)
    assert trained_hashes(fresh.artifacts) == {content_hash(spec.key()) for spec in planned}
    assert scores.shape == prepared.test.queries.candidates.shape
    assert np.isfinite(scores).all()
    report = recommender.report()
    assert FitReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))).adapters == report.adapters
    assert report.trained_parameters > 0
    assert recommender.deviations()[0].startswith("Trained only on prefixes of the training part")


def test_four_cross_domain_targets_need_four_target_and_six_hybrid_adapters(
    pico_encoder_folder, tmp_path: Path
) -> None:
    """A hybrid is chosen on the validation queries of both its domains, whichever of them is the target."""
    store = ArtifactStore(tmp_path)
    domains = {name: prepared_toy(name, store) for name in ("beauty", "clothing", "food", "sports")}
    for target, prepared in domains.items():
        sources = tuple(other.training for name, other in domains.items() if name != target)
        task = toy_task(prepared, store, pico_encoder_folder, sources=sources, source_validation=asked(domains))
        weaver = toy_recommender("weaverec", max_examples=16)
        planned = weaver.adapters(task)
        weaver.fit(task)
        assert len(planned) == len(weaver.trained) == 4
    trained = [json.loads((path / "made.json").read_text())["key"] for path in (store.root / ADAPTER_KIND).iterdir()]
    assert sorted(len(key["domains"]) for key in trained) == [1] * 4 + [2] * 6


@pytest.mark.parametrize("method", ["target-only", "all-data", "weaverec", "weaverec-adamerging", *DOMAIN_MERGES])
def test_without_sources_it_is_the_target_adapter(method: str, make_task, prepared) -> None:
    expected = scores_of("reccocktail-s", make_task(), prepared.test.queries)
    np.testing.assert_array_equal(scores_of(method, make_task(sources=()), prepared.test.queries), expected)


def test_target_only_is_reccocktail_s_ingredient_in_the_same_file(make_task) -> None:
    task = make_task()
    target, ingredient = fitted("target-only", task), fitted("reccocktail-s", task)
    assert target.facts["target"].id == ingredient.facts["specific"].id


def test_a_hybrid_of_a_and_b_is_the_hybrid_of_b_and_a(prepared, make_task, tmp_path: Path) -> None:
    domains = {"target": prepared, "one": prepared_toy("one", ArtifactStore(tmp_path))}
    training = {name: domain.training for name, domain in domains.items()}
    one = domains["one"].validation
    task = make_task(sources=(training["one"],), source_validation=asked(domains))
    mirrored = make_task(
        target=training["one"],
        sources=(training["target"],),
        validation=one.queries,
        validation_answers=one.answers,
        source_validation=asked(domains),
    )
    one_way, other_way = toy_recommender("weaverec").adapters(task), toy_recommender("weaverec").adapters(mirrored)
    assert one_way[1].key() == other_way[1].key()
    assert len(one_way[1].validation) == 2
    assert one_way[0].key() != other_way[0].key()


def test_an_adapter_is_chosen_on_no_other_target_s_queries(prepared, make_task, tmp_path: Path) -> None:
    """The general adapter learns from the sources: it is the same whatever the target asks."""
    one = prepared_toy("one", ArtifactStore(tmp_path))
    few = prepared.validation.queries.take(np.arange(5)), Answers(prepared.validation.answers.positive_column[:5])
    facts = {"sources": (one.training,), "source_validation": asked({"one": one})}
    keys = [
        [spec.key() for spec in toy_recommender("second-finetune").adapters(make_task(**facts, **changes))]
        for changes in ({}, {"validation": few[0], "validation_answers": few[1]})
    ]
    assert keys[0][0] == keys[1][0]
    assert len(keys[0][0]["validation"]) == 1
    assert keys[0][1] != keys[1][1]


@pytest.mark.parametrize("params", [{}, {"space": "delta"}, {"merging": "ext-sub"}, {"merging": "lego"}], ids=str)
def test_equal_adapters_merge_to_themselves(params, make_task, prepared) -> None:
    weaver = fitted("weaverec", make_task(), **params)
    weaver.trained = dict.fromkeys(weaver.trained, weaver.trained["target"])
    expected = scores_of("target-only", make_task(), prepared.test.queries)
    np.testing.assert_allclose(weaver.score(prepared.test.queries), expected, atol=1e-5)


def test_merge_operators_and_spaces_score_differently(make_task, prepared) -> None:
    choices = [{"merging": name} for name in ("average", "ties", "dare", "ext-sub", "lego")] + [{"space": "delta"}]
    scored = [scores_of("weaverec", make_task(), prepared.test.queries, **choice) for choice in choices]
    assert len({scores.tobytes() for scores in scored}) == len(choices)


def test_its_hybrids_learn_from_target_and_source_and_from_as_many_examples_of_each(make_task, prepared) -> None:
    task = make_task()
    target, *hybrids = toy_recommender("weaverec").adapters(task)
    assert target.names == ("target",)
    assert [set(hybrid.names) for hybrid in hybrids] == [{"target", "one"}, {"target", "two"}]
    for hybrid, source in zip(hybrids, task.sources, strict=True):
        assert set(hybrid.domains) == {prepared.training.content_hash, source.content_hash}  # no test item among them
    assert [spec.max_examples for spec in (target, *hybrids)] == [3 * 96, 3 * 192, 3 * 192]
    (everything,) = toy_recommender("all-data").adapters(task)
    assert (set(everything.names), everything.max_examples) == ({"target", "one", "two"}, 3 * 288)


def test_validation_chooses_the_target_weight_that_does_best_there(make_task, prepared) -> None:
    weaver = fitted("weaverec", make_task(), weights="validated", n_validation=20)
    report = weaver.report()
    by_weight = dict(report.merge.validation)
    assert len(by_weight) == 12
    assert by_weight[report.merge.chosen] == max(by_weight.values())
    assert weaver._weights(0.4).tolist() == pytest.approx([0.4, 0.3, 0.3])
    assert fitted("weaverec", make_task()).report().merge.weights["target"] == pytest.approx(1 / 3)


def test_validated_weights_are_for_the_average_alone() -> None:
    with pytest.raises(BenchError, match="weights=validated needs merging=average"):
        toy_recommender("weaverec", weights="validated", merging="ties")


def test_the_target_weight_leads_from_the_hybrids_alone_to_the_target_adapter(make_task, prepared) -> None:
    """α = 1 is the target's adapter; with one source, α = 0 is the hybrid and α = ½ the uniform average."""
    task = make_task(sources=make_task().sources[:1])
    at = {weight: scores_of("weaverec", task, prepared.test.queries, target_weight=weight) for weight in (0, 0.5, 1)}
    ends = [scores_of("weaverec", task, prepared.test.queries, branch=branch) for branch in (1, 0)]
    np.testing.assert_allclose(at[0], ends[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(at[1], ends[1], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(at[0.5], scores_of("weaverec", task, prepared.test.queries))
    third = fitted("weaverec", make_task(), target_weight=0.35)
    assert third._weights(third.target_weight).tolist() == pytest.approx([0.35, 0.325, 0.325])
    assert third.report().merge.weights["target"] == 0.35


def test_each_branch_alone_is_an_adapter_that_others_have_too(make_task, prepared) -> None:
    task, queries = make_task(), prepared.test.queries
    (first, second) = task.sources
    alone = [fitted("weaverec", task, branch=branch) for branch in range(3)]
    np.testing.assert_array_equal(alone[0].score(queries), scores_of("target-only", task, queries))
    for weaver, source in zip(alone[1:], (first, second), strict=True):
        both = scores_of("all-data", make_task(sources=(source,)), queries)
        np.testing.assert_array_equal(weaver.score(queries), both)
    assert [weaver.report().extra["scored_with"] for weaver in alone] == ["target", "target + one", "target + two"]
    assert [weaver.report().merge for weaver in alone] == [None, None, None]
    with pytest.raises(BenchError, match="'branch' must be from 0 to 2"):
        fitted("weaverec", task, branch=3)


def test_one_branch_may_hold_several_sources(make_task, prepared) -> None:
    task = make_task()
    joint = fitted("weaverec", task, branches="joint")
    assert list(joint.trained) == ["target", "target + one + two"]
    (everything,) = fitted("all-data", task).facts.values()
    assert joint.facts["target + one + two"].id == everything.id
    assert joint.report().merge == MergeReport({"target": 0.5, "target + one + two": 0.5})


def test_weaverec_s_branches_may_be_weighted_by_entropy(make_task, prepared) -> None:
    """Without a step the weights are 1/(N + 1), in delta space; the row is transductive, WeaveRec's own is not."""
    task, queries = make_task(), prepared.test.queries
    still = scores_of("weaverec-adamerging", task, queries, entropy_learning_rate=0.0, passes=1)
    np.testing.assert_allclose(still, scores_of("weaverec", task, queries, space="delta"), atol=1e-5)
    weaver, learned = fitted("weaverec", task), fitted("weaverec-adamerging", task)
    assert [facts.id for facts in weaver.facts.values()] == [facts.id for facts in learned.facts.values()]
    assert registry().entry("weaverec-adamerging").transductive
    assert not registry().entry("weaverec").transductive


def test_a_few_shot_run_trains_on_a_share_of_the_target_and_on_all_of_the_sources(make_task, prepared) -> None:
    few = share_of_training(prepared.training, 0.3, 0)
    whole, part = make_task(), make_task(target=few)
    for method in ("weaverec", "weight-average", "second-finetune", "reccocktail"):
        planned, planned_few = toy_recommender(method).adapters(whole), toy_recommender(method).adapters(part)
        for spec, few_spec in zip(planned, planned_few, strict=True):
            replaced = {prepared.training.content_hash: few.content_hash}
            assert set(few_spec.domains) == {replaced.get(domain, domain) for domain in spec.domains}


def test_the_weight_average_is_of_single_domain_adapters(make_task, prepared) -> None:
    average = fitted("weight-average", make_task(), space="delta")
    assert [facts.domains for facts in average.facts.values()] == [("target",), ("one",), ("two",)]
    average.score(prepared.test.queries)
    for module in average.used.factors:
        expected = sum(adapter.delta(module) for adapter in average.trained.values()) / 3
        torch.testing.assert_close(average.used.delta(module), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("granularity", ["global", "per_module"])
def test_adamerging_with_a_learning_rate_of_zero_is_the_delta_average(granularity, make_task, prepared) -> None:
    still = scores_of(
        "adamerging", make_task(), prepared.test.queries, granularity=granularity, entropy_learning_rate=0.0, passes=1
    )
    average = scores_of("weight-average", make_task(), prepared.test.queries, space="delta")
    np.testing.assert_allclose(still, average, atol=1e-5)


def test_adamerging_keeps_its_weights_in_the_box_and_reports_them(make_task, prepared) -> None:
    merging = fitted(
        "adamerging", make_task(), n_prompts=4, prompts_a_step=4, passes=3, entropy_learning_rate=0.6, initial=0.3
    )
    merging.score(prepared.test.queries)
    weights = merging.learned.weights
    assert weights.shape == (len(merging.used.factors), 3)
    assert 0 <= weights.min() <= weights.max() <= 1
    assert ((weights == 0) | (weights == 1)).any()
    report = merging.report()
    assert list(report.merge.weights) == ["target", "one", "two"]
    assert len(report.merge.entropy) == 3
    assert registry().entry("adamerging").transductive


def test_dare_without_drops_and_whole_is_the_delta_average(make_task, prepared) -> None:
    whole = scores_of("dare", make_task(), prepared.test.queries, drop=0.0, merged_rank=0)
    average = scores_of("weight-average", make_task(), prepared.test.queries, space="delta")
    np.testing.assert_allclose(whole, average, atol=1e-5)


def test_what_a_cut_to_a_rank_leaves_is_reported(make_task, prepared) -> None:
    kept = []
    for rank in (0, 4, 1):
        merging = fitted("ties-merging", make_task(), merged_rank=rank)
        merging.score(prepared.test.queries)
        kept.append(merging.report().extra["kept_share"])
        assert merging.report().extra["merged_rank"] == rank
    assert kept[0] == 1.0 > kept[1] > kept[2] > 0


@pytest.mark.parametrize(
    ("method", "params"),
    [("ties-merging", {}), ("dare", {}), ("weaverec", {"merging": "ties"}), ("weaverec", {"merging": "dare"})],
    ids=str,
)
def test_a_merge_is_whole_in_an_encoder_and_of_rank_16_in_a_decoder(
    method, params, make_task, prepared, pico_folder
) -> None:
    encoder = fitted(method, make_task(), **params)
    encoder.score(prepared.test.queries)
    stated = encoder.report().extra
    assert (stated["merged_rank"], stated["kept_share"]) == (0, 1.0)
    decoder = fitted(method, make_task(backbone=pico_folder), max_examples=8, **params)
    decoder.score(prepared.test.sample(2, 0).queries)
    stated = decoder.report().extra
    assert stated["merged_rank"] == 16
    assert stated["kept_share"] <= 1.0
    assert {a.shape[0] for a, _ in decoder.used.factors.values()} == {16}


def test_a_second_finetuning_of_no_epochs_is_the_general_adapter(make_task, prepared) -> None:
    nothing = scores_of("second-finetune", make_task(), prepared.test.queries, target_epochs=0)
    general = scores_of("reccocktail-g", make_task(), prepared.test.queries)
    np.testing.assert_array_equal(nothing, general)


def test_a_second_finetuning_goes_on_from_the_general_adapter(make_task, prepared) -> None:
    task = make_task()
    twice, general = fitted("second-finetune", task), fitted("reccocktail-g", task)
    assert twice.facts["general"].id == general.facts["general"].id
    start, end = twice.adapters(task)
    assert (start.start, end.start) == (None, general.facts["general"].id)
    assert not np.array_equal(twice.score(prepared.test.queries), general.score(prepared.test.queries))
    assert twice.report().trained_parameters == general.report().trained_parameters


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_a_shorter_history_is_shorter_in_scoring_too(kind: str, make_task, prepared, pico_folder: Path) -> None:
    task = make_task(**({} if kind == "encoder" else {"backbone": pico_folder}))
    short = fitted("target-only", task, max_history=1, max_examples=8)
    queries = prepared.test.sample(4, 0).queries
    last = dataclasses.replace(
        queries,
        history_indptr=np.arange(len(queries) + 1),
        history_items=np.array([queries.history(row)[-1] for row in range(len(queries))], dtype=np.int32),
    )
    scores = short.score(queries)
    np.testing.assert_allclose(scores, short.score(last), atol=1e-5)
    short.language_model.max_history = 20
    assert np.abs(scores - short.score(queries)).max() > 1e-4


def test_a_run_reads_as_long_histories_as_it_says_whatever_the_run_before_it_read(make_task, prepared) -> None:
    task, queries = make_task(held=LastLoaded()), prepared.test.queries
    before = fitted("zeroshot", task).score(queries)
    short = fitted("target-only", task, max_history=1, epochs=1)
    assert np.abs(short.score(queries) - before).max() > 1e-4
    again = fitted("zeroshot", task)
    assert again.language_model is short.language_model
    np.testing.assert_array_equal(again.score(queries), before)


@pytest.mark.parametrize("method", ["second-finetune", "reccocktail-g"])
def test_a_general_adapter_needs_sources(method: str, make_task) -> None:
    with pytest.raises(BenchError, match="give --source-datasets"):
        fitted(method, make_task(sources=()))


@pytest.mark.parametrize("method", ["weaverec", "ties-merging", "adamerging"])
def test_permuting_candidates_permutes_its_scores(method: str, make_task, prepared) -> None:
    queries = prepared.test.queries
    order = np.random.default_rng(0).permutation(30)
    permuted = dataclasses.replace(queries, candidates=queries.candidates[:, order])
    scores = scores_of(method, make_task(), queries)
    np.testing.assert_allclose(scores_of(method, make_task(), permuted), scores[:, order], atol=1e-5)


@pytest.mark.parametrize("method", ["weaverec", "lora-lego", "dare"])
def test_a_second_fit_finds_the_adapters_and_scores_the_same(method: str, make_task, prepared) -> None:
    first = scores_of(method, make_task(), prepared.test.queries)
    np.testing.assert_array_equal(first, scores_of(method, make_task(), prepared.test.queries))


@pytest.mark.parametrize("method", ["adamerging", "ext-sub", "weaverec"])
def test_it_runs_on_a_causal_backbone_too(method: str, make_task, prepared, pico_folder: Path) -> None:
    few = prepared.test.sample(4, 0).queries
    steps = {"n_prompts": 2, "prompts_a_step": 2, "passes": 1} if method == "adamerging" else {}
    task = make_task(backbone=str(pico_folder))
    scores = fitted(method, task, max_examples=8, batch_size=8, **steps).score(few)
    assert scores.shape == (4, 30)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("ties-merging", {"density": 0.0}, "'density' of 'ties-merging' must be above 0"),
        ("dare", {"drop": 1.0}, "'drop' of 'dare' must be at least 0 and below 1"),
        ("lora-lego", {"n_clusters": 0}, "'n_clusters' of 'lora-lego' must be at least 1"),
        ("weaverec", {"merging": "sum"}, "must be average or ties"),
        ("weaverec", {"target_weight": 1.5}, "'target_weight' of 'weaverec' must be at least 0 and at most 1"),
        ("weaverec", {"target_weight": 0.5, "merging": "ties"}, "'target_weight' needs merging=average and"),
        ("weaverec", {"target_weight": 0.5, "weights": "validated"}, "'target_weight' needs merging=average and"),
        ("weaverec", {"branch": -1}, "'branch' of 'weaverec' must be at least 0"),
        ("weaverec", {"branch": 1, "target_weight": 0.5}, "'branch' selects one adapter without merging"),
        ("weaverec", {"branches": "two"}, "must be each or joint"),
        ("weight-average", {"space": "average"}, "must be factor or delta"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_trained(method, params, message) -> None:
    with pytest.raises(BenchError, match=message):
        toy_recommender(method, **params)


def test_the_toy_backbone_s_revision_is_known_before_it_is_made(make_task, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("bench.lm.toys.tiny_decoder._make", lambda folder, *_: (folder / "model").write_text("weights"))
    task = make_task(backbone="tiny", artifacts=ArtifactStore(tmp_path))
    planned = planned_backbone(task)
    assert not planned.folder.exists()
    assert toy_recommender("target-only").adapters(task)[0].backbone == planned.revision
    assert task_backbone(task) == planned
    assert planned.folder.exists()
