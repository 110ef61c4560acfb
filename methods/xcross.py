"""X-Cross: frozen encoders of several domains run side by side and mix their states after each of the top layers.

Paper: X-Cross, SIGIR '25. After each integrated layer, for every token,

    z = W·[h_1; …; h_n],    W ∈ R^{2n(n-1) × nd}
    h̃_m = h_m + Σ_{m' ≠ m} (β·z_direct(m, m')·h_{m'} + γ·z_interaction(m, m')·(h_m − h_{m'}))

and the next layer of encoder m reads h̃_m. Finally, h = Σ_m w_m h̃_m goes to the pooler and the scorer.
W starts at zero (independent encoders) and w at 1/n; only W, w, the pooler and the scorer are trained. The order of z
is: for each m its n − 1 direct weights, then its n − 1 interaction weights, each by ascending m'.

All encoders run in one batched forward pass. The layers below the first integrated one run once per source, without
gradient. The ablations drop integration altogether (β = γ = 0), interactions (γ = 0) or direct expert weights (β = 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from bench.methods.shared.integrating import IntegratingParams, IntegratingRecommender, Integration
from torch import Tensor, nn

from bench.errors import BenchError
from bench.lm.adapters.experts import ParallelExperts
from bench.lm.precision import float32_products
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.pairs.model import PairLanguageModel
    from bench.lm.pairs.prompts import PairBatch

DIRECT, INTERACTION = 0, 1


@dataclass(frozen=True)
class XCrossParams(IntegratingParams):
    """Adds how states are mixed."""

    beta: float = field(default=0.5, metadata=at_least(0))
    """Scale β of the other encoders' states."""
    gamma: float = field(default=0.4, metadata=at_least(0))
    """Scale γ of the differences between states."""
    integrated_layers: int = field(default=0, metadata=at_least(0))
    """Number of top layers after which states are mixed; 0 uses three quarters of all layers (X-Cross: 9 of 12)."""


@dataclass(frozen=True)
class NoLayersParams(XCrossParams):
    """X-Cross whose encoders are only combined at the end."""

    beta: float = field(default=0.0, metadata=at_least(0))
    """Scale β of the other encoders' states."""
    gamma: float = field(default=0.0, metadata=at_least(0))
    """Scale γ of the differences between states."""


@dataclass(frozen=True)
class NoInteractionsParams(XCrossParams):
    """X-Cross without differences between states."""

    gamma: float = field(default=0.0, metadata=at_least(0))
    """Scale γ of the differences between states."""


@dataclass(frozen=True)
class NoExpertsParams(XCrossParams):
    """X-Cross without the states of the other encoders."""

    beta: float = field(default=0.0, metadata=at_least(0))
    """Scale β of the other encoders' states."""


def mix(states: Tensor, z: Tensor, beta: float, gamma: float) -> Tensor:
    """Return h̃ of every encoder (eq. 5 and 6).

    Args:
        states: h of all encoders, shape (n, n_tokens, d).
        z: Shape (n_tokens, n, 2, n - 1): direct and interaction weights of each encoder for the others.
        beta: Scale of the direct weights.
        gamma: Scale of the interaction weights.

    Returns:
        Shape (n, n_tokens, d).
    """
    direct, interaction = beta * z[:, :, DIRECT], gamma * z[:, :, INTERACTION]
    own = 1 + interaction.sum(-1)
    other = direct - interaction
    mixed = []
    for m in range(len(states)):
        total = states[m] * own[:, m, None]
        for place, partner in enumerate(partner for partner in range(len(states)) if partner != m):
            total = torch.addcmul(total, states[partner], other[:, m, place, None])
        mixed.append(total)
    return torch.stack(mixed)


class CrossLayers(Integration):
    """Integrators on the top layers of encoders that run side by side."""

    def __init__(
        self, language_model: PairLanguageModel, adapters: Sequence[Adapter], beta: float, gamma: float, n_layers: int
    ) -> None:
        super().__init__(language_model, adapters)
        self._experts = ParallelExperts(adapters, language_model.device)
        self.beta, self.gamma, self.n_streams = beta, gamma, len(adapters)
        self.first_integrated = language_model.walk.n_layers - n_layers
        n_weights = 2 * self.n_streams * (self.n_streams - 1)
        self.integrators = nn.ParameterList(
            torch.zeros(self.n_streams, n_weights, language_model.dimension) for _ in range(n_layers)
        )
        self.weights = nn.Parameter(torch.full((self.n_streams,), 1 / self.n_streams))
        self.trains_inside = n_layers > 0
        self.largest_z = 0.0

    def states(self, batch: PairBatch) -> Tensor:
        """Return all encoders' mixed states, (n, n_prompts, d)."""
        with self._experts.hooked(self.language_model.model):
            return self.language_model.walk.pooled(batch, self._experts, self.n_streams, self.integrate)

    def integrate(self, number: int, states: Tensor) -> Tensor:
        """Mix the states after a layer, (n, n_tokens, d); below the first integrated layer, return them unchanged."""
        if number < self.first_integrated:
            return states
        integrator = self.integrators[number - self.first_integrated]
        with float32_products(states.device):
            states = states.float()
            z = torch.bmm(states, integrator.transpose(1, 2)).sum(0)
            self.largest_z = max(self.largest_z, float(z.detach().abs().max()))
            return mix(states, z.view(-1, self.n_streams, 2, self.n_streams - 1), self.beta, self.gamma)

    def read(self, states: Tensor) -> Tensor:
        """Return the scores from the weighted sum of all encoders' states."""
        with float32_products(states.device):
            summed = torch.einsum("m,mpd->pd", self.weights, states.float())
        return self.head(summed)  # type: ignore[no-any-return]

    def facts(self) -> dict[str, Any]:
        """Return the encoders' weights, the integrated layers and the largest absolute z so far."""
        return {
            "source_weights": [round(float(weight), 6) for weight in self.weights.detach()],
            "integrated_layers": [
                number + 1 for number in range(self.first_integrated, self.language_model.walk.n_layers)
            ],
            "largest_absolute_z": round(self.largest_z, 6),
            "integrator_values_a_layer": self.integrators[0].numel() if len(self.integrators) else 0,
        }


@register(
    "xcross",
    title="X-Cross",
    family="integrating",
    paper="X-Cross, SIGIR 2025, arXiv 2504.20859",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class XCross(IntegratingRecommender):
    """Frozen encoders of the best sources that mix their states after each of the top layers."""

    Params = XCrossParams

    def integration(self, adapters: Sequence[Adapter]) -> CrossLayers:
        """Return the integrators over the adapters."""
        params, n_all = self.params, self.language_model.walk.n_layers
        n_layers = params.integrated_layers or n_all * 3 // 4
        if not 0 < n_layers <= n_all:
            raise BenchError(f"Parameter 'integrated_layers' must be from 1 to {n_all}, not {n_layers}.")
        if params.beta == 0 and params.gamma == 0:
            n_layers = 0  # nothing is added to the states, so W would have no gradient
        return CrossLayers(self.language_model, adapters, params.beta, params.gamma, n_layers)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "The layers' outputs are mixed after normalization; the paper's equation shows a single linear map.",
            "W starts at zero and the encoders' weights at 1/n, unconstrained; the paper states neither.",
        )


@register(
    "xcross-no-layers",
    title="X-Cross without layers",
    family="integrating",
    paper="X-Cross, SIGIR 2025, arXiv 2504.20859, ablation",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class XCrossNoLayers(XCross):
    """Independent encoders, summed with learned weights at the end."""

    Params = NoLayersParams


@register(
    "xcross-no-interactions",
    title="X-Cross without interactions",
    family="integrating",
    paper="X-Cross, SIGIR 2025, arXiv 2504.20859, ablation",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class XCrossNoInteractions(XCross):
    """Each encoder only adds the states of the others."""

    Params = NoInteractionsParams


@register(
    "xcross-no-experts",
    title="X-Cross without experts",
    family="integrating",
    paper="X-Cross, SIGIR 2025, arXiv 2504.20859, ablation",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class XCrossNoExperts(XCross):
    """Each encoder only adds its differences from the others."""

    Params = NoExpertsParams
