from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bench.methods.pooler_scorer import HeadAlone
from bench.methods.xcross import CrossLayers, mix

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter
from bench.lm.adapters.experts import ParallelExperts
from bench.lm.pairs.model import PairHead, PairLanguageModel
from bench.lm.pairs.prompts import PairBatch
from tests.support.pair_toys import (
    marked_domain,
    marked_queries,
    pair_task,
    pico_pairs,
    quick_recommender,
    random_adapter,
    save_pico_deberta,
)

BETA, GAMMA = 0.5, 0.4


@pytest.fixture(scope="module", params=["bert", "deberta"])
def pairs(request, pico_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PairLanguageModel:
    folder = pico_encoder_folder
    if request.param == "deberta":
        folder = save_pico_deberta(tmp_path_factory.mktemp("pico-deberta"), folder)
    return pico_pairs(folder)


@pytest.fixture
def batch(pairs: PairLanguageModel) -> PairBatch:
    domain = marked_domain("apple")
    queries, _ = marked_queries(domain)
    prompts = [
        prompt
        for row in (0, 1)
        for prompt in pairs.prompts.prompts(domain, queries.history(row)[row:], queries.candidates[row, :5])
    ]
    return PairBatch.of(prompts, "cpu")


def crossed(pairs: PairLanguageModel, n: int = 2, beta: float = BETA, gamma: float = GAMMA, layers: int = 1) -> Any:
    """Return an X-Cross of random adapters with random integrators and weights."""
    made = CrossLayers(pairs, [random_adapter(pairs, seed) for seed in range(n)], beta, gamma, layers)
    generator = torch.Generator().manual_seed(0)
    for weights in made.integrators:
        weights.data = 0.1 * torch.randn(weights.shape, generator=generator)
    made.weights.data = torch.rand(n, generator=generator)
    return made


def sized(n: int, layers: int) -> CrossLayers:
    """Return an untrained X-Cross of the size that the paper's encoder asks for."""
    reader: Any = SimpleNamespace(
        device="cpu", dimension=768, head_of=lambda _adapter: PairHead(768), walk=SimpleNamespace(n_layers=12)
    )
    adapter = Adapter({"query": (torch.zeros(16, 768), torch.zeros(768, 16))}, 2.0, "base", "toy")
    return CrossLayers(reader, [adapter] * n, BETA, GAMMA, layers)


def test_the_worked_case_of_two_encoders_in_two_dimensions(pairs: PairLanguageModel) -> None:
    states = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])
    integrator = torch.eye(4).view(4, 2, 2).transpose(0, 1).contiguous()
    made = crossed(pairs)
    made.integrators[0].data = integrator
    mixed = made.integrate(made.first_integrated, states)
    torch.testing.assert_close(mixed, torch.tensor([[[1.0, 1.0]], [[-0.8, 3.6]]]))
    assert made.largest_z == 2.0


def test_every_pair_of_three_encoders_has_its_own_weights() -> None:
    states, z = torch.randn(3, 4, 5), torch.randn(4, 3, 2, 2)
    mixed = mix(states, z, BETA, GAMMA)
    for m in range(3):
        expected = states[m].clone()
        for place, other in enumerate(partner for partner in range(3) if partner != m):
            expected += BETA * z[:, m, 0, place, None] * states[other]
            expected += GAMMA * z[:, m, 1, place, None] * (states[m] - states[other])
        torch.testing.assert_close(mixed[m], expected)


def test_without_beta_and_gamma_it_is_the_weighted_sum_of_the_encoders_alone_bit_for_bit(pairs, batch) -> None:
    made = crossed(pairs, layers=2)
    made.beta = made.gamma = 0.0
    adapters = [random_adapter(pairs, seed) for seed in range(2)]
    experts = ParallelExperts(adapters, pairs.device)
    with torch.no_grad():
        with experts.hooked(pairs.model):  # side by side, for a matrix product may round otherwise by its height
            untouched = pairs.walk.pooled(batch, experts, len(adapters))
        assert torch.equal(made.states(batch), untouched)
        assert torch.equal(made(batch), made.read(untouched))
        for adapter, states in zip(adapters, untouched, strict=True):
            torch.testing.assert_close(HeadAlone(pairs, [adapter]).states(batch)[0], states, rtol=1e-4, atol=1e-4)
    summed = made.weights[0] * untouched[0] + made.weights[1] * untouched[1]
    torch.testing.assert_close(made(batch), made.head(summed))


def test_integrators_of_zeros_make_beta_and_gamma_irrelevant(pairs, batch) -> None:
    first, second = crossed(pairs, beta=0.5, gamma=0.4, layers=2), crossed(pairs, beta=3.0, gamma=-2.0, layers=2)
    with torch.no_grad():
        assert not torch.equal(first.states(batch), second.states(batch))
        for made in (first, second):
            for weights in made.integrators:
                weights.zero_()
        assert torch.equal(first.states(batch), second.states(batch))


def test_equal_encoders_have_nothing_to_interact_about(pairs, batch) -> None:
    adapter = random_adapter(pairs, 1)
    made = CrossLayers(pairs, [adapter, adapter], 0.0, 5.0, 2)
    for weights in made.integrators:
        torch.nn.init.normal_(weights, std=0.1)
    with torch.no_grad():
        torch.testing.assert_close(
            made.states(batch)[0], HeadAlone(pairs, [adapter]).states(batch)[0], rtol=1e-3, atol=1e-3
        )


def test_what_a_layer_mixes_is_what_the_next_layer_reads(pairs, batch) -> None:
    whole, top = crossed(pairs, layers=2), crossed(pairs, layers=1)
    with torch.no_grad():
        whole.integrators[1].copy_(top.integrators[0])
        whole.integrators[0].zero_()
        torch.testing.assert_close(whole.states(batch), top.states(batch))
        whole.integrators[0].normal_(std=0.1)
        assert not torch.allclose(whole.states(batch), top.states(batch), atol=1e-3)


def test_below_the_first_integrated_layer_nothing_is_kept_for_gradients(pairs, batch) -> None:
    made = crossed(pairs, layers=1)
    seen: list[bool] = []
    integrate = made.integrate
    made.integrate = lambda number, states: seen.append(states.requires_grad) or integrate(number, states)
    made(batch).sum().backward()
    assert seen == [False, False]
    assert all(weights.grad.abs().sum() > 0 for weights in made.parameters())
    assert all(weights.grad is None for weights in pairs.model.parameters())


def test_gradients_reach_integrators_of_zeros(pairs, batch) -> None:
    made = CrossLayers(pairs, [random_adapter(pairs, seed) for seed in range(2)], BETA, GAMMA, 2)
    made(batch).square().sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in made.integrators)


def test_the_sizes_are_the_papers() -> None:
    two = sized(2, 9)
    assert two.integrators[0].numel() == 4 * 2 * 768 == 6_144
    assert 2 * 16 * 768 == 24_576 == 4 * two.integrators[0].numel()
    assert two.groups() == {"head": 591_361, "integrators": 55_296, "weights": 2}
    assert sized(3, 1).integrators[0].numel() == 12 * 2304 == 27_648


def test_the_shares_of_lora_s_size_are_the_papers_whichever_way_they_are_counted() -> None:
    groups = sized(2, 9).groups()
    one_module, all_modules, head = 2 * 16 * 768, 24 * 2 * 16 * 768, groups["head"]
    assert groups["integrators"] / 9 / one_module == 0.25
    assert all_modules == 589_824
    assert groups["integrators"] / all_modules == pytest.approx(0.094, abs=5e-4)
    assert groups["integrators"] + head == 646_657
    assert (groups["integrators"] + head) / (all_modules + head) == pytest.approx(0.547, abs=5e-4)


def test_all_encoders_run_as_one_batch(pairs, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = crossed(pairs, n=3), []
    for layer in pairs.walk.layers:
        forward = layer.intermediate.forward
        monkeypatch.setattr(
            layer.intermediate, "forward", lambda states, forward=forward: calls.append(len(states)) or forward(states)
        )
    with torch.no_grad():
        made.states(batch)
    assert calls == [3 * len(batch.index)] * pairs.walk.n_layers


@pytest.mark.parametrize(
    ("method", "beta", "gamma", "n_integrated"),
    [
        ("xcross", 0.5, 0.4, 1),
        ("xcross-no-layers", 0.0, 0.0, 0),
        ("xcross-no-interactions", 0.5, 0.0, 1),
        ("xcross-no-experts", 0.0, 0.4, 1),
    ],
)
def test_the_ablations_differ_in_what_they_mix(
    pairs: PairLanguageModel, method: str, beta: float, gamma: float, n_integrated: int
) -> None:
    recommender = quick_recommender(method)
    recommender.language_model = pairs
    made = recommender.integration([random_adapter(pairs, seed) for seed in range(2)])
    assert (made.beta, made.gamma, len(made.integrators)) == (beta, gamma, n_integrated)
    assert made.weights.tolist() == [0.5, 0.5]
    assert all(not weights.any() for weights in made.integrators)
    assert made.trains_inside == (n_integrated > 0)


def test_more_layers_than_the_encoder_has_are_refused(pairs: PairLanguageModel) -> None:
    recommender = quick_recommender("xcross", integrated_layers=3)
    recommender.language_model = pairs
    with pytest.raises(BenchError, match="'integrated_layers' must be from 1 to 2, not 3"):
        recommender.integration([random_adapter(pairs, seed) for seed in range(2)])


def test_it_runs_on_deberta_from_adapters_to_scores(pico_encoder_folder: Path, tmp_path: Path) -> None:
    folder = save_pico_deberta(tmp_path / "deberta", pico_encoder_folder)
    task = pair_task(tmp_path / "artifacts", folder, marked_domain("apple", 16))
    recommender = quick_recommender("xcross", epochs=1, target_epochs=1, max_examples=12, target_examples=8)
    recommender.fit(task)
    queries, _ = marked_queries(task.target, n_queries=3)
    scores = recommender.score(queries)
    assert scores.shape == (3, 30)
    assert scores.std() > 0
    assert recommender.report().extra["integrated_layers"] == [2]
