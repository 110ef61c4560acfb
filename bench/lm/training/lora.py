"""Training of one LoRA adapter with PEFT, the same loop for every kind of backbone."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.domain import Domain
from bench.files.hashing import content_hash, derived_seed
from bench.learning.training import clip_gradients, schedule_step_size
from bench.lm.adapters.adapter import Adapter, LoraRecipe, linear_modules
from bench.lm.language_model import LanguageModel
from bench.lm.precision import full_width_float32, training_precision
from bench.lm.training.dropout import IntegerDropout
from bench.plugin import ProgressHook

Item = TypeVar("Item")
ADAPTER_NAME = "trained"
CHECKS_AN_EPOCH = 4
"""How often the held-back slice is looked at in an epoch."""
MIN_SLICE_USERS = 50
"""Users of a slice at least: the loss of fewer says too little of which state is best."""
SECONDS_BETWEEN_REPORTS = 10.0


@dataclass
class TrainingLog:
    """What happened while an adapter was trained."""

    n_examples: int = 0
    n_steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    """Mean training loss between two looks at the slice."""
    slice_losses: list[float] = field(default_factory=list)
    """Loss on the slice, the first before any step; empty where no users were set aside."""
    best_check: int | None = None
    """Which look had the lowest loss; its state is the adapter. None without a slice: the adapter is the last state."""


def train_adapter(
    language_model: LanguageModel,
    domains: Sequence[Domain],
    recipe: LoraRecipe,
    seed: int,
    progress: ProgressHook,
    start: Adapter | None = None,
) -> tuple[Adapter, TrainingLog]:
    """Train an adapter on the domains' training interactions and return its best state by slice loss.

    All adapters of one seed start from the same A and from B = 0, whatever they are trained on, unless ``start``
    gives the factors to go on from.
    """
    domains = sorted(domains, key=lambda domain: domain.content_hash)
    learned, held_back = zip(*(hold_back_slice(domain, recipe.slice_share, seed) for domain in domains), strict=True)
    shared_out = replace(recipe, max_examples=max(1, recipe.max_examples // len(domains)))
    with attached(language_model.model, recipe, seed, start, language_model.adapted_layers) as factors:
        head = _begun_head(language_model, seed, start)
        log = _fit(language_model, learned, held_back, shared_out, seed, progress, factors, list(head.values()))
        trained = {module: (a.detach().clone(), b.detach().clone()) for module, (a, b) in factors.items()}
    scaling, revision = recipe.alpha / recipe.rank, language_model.backbone.revision
    initialisation = initialisation_name(language_model, recipe, seed)
    trained_head = {name: weights.detach().clone() for name, weights in head.items()}
    return Adapter(trained, scaling, revision, initialisation, head=trained_head), log


def initialisation_name(language_model: LanguageModel, recipe: LoraRecipe, seed: int) -> str:
    """Name the initialisation that all adapters of one backbone, rank and seed share."""
    return content_hash(language_model.backbone.revision, recipe.rank, seed)


def hold_back_slice(domain: Domain, share: float, seed: int) -> tuple[Domain, Domain]:
    """Split a domain by users into what is learned and the slice that chooses the best state.

    Where fewer than :data:`MIN_SLICE_USERS` would be set aside, nobody is.
    """
    n_users = np.count_nonzero(np.diff(domain.indptr))
    rng = np.random.default_rng(derived_seed(seed, "slice", domain.content_hash))
    held = rng.random(domain.n_users) < (share if share * n_users >= MIN_SLICE_USERS else 0.0)
    in_slice = held[domain.users_of_interactions()]
    return domain.keeping(~in_slice), domain.keeping(in_slice)


@contextmanager
def attached(
    model: nn.Module, recipe: LoraRecipe, seed: int, start: Adapter | None = None, layers: Sequence[str] = ()
) -> Iterator[dict[str, tuple[nn.Parameter, nn.Parameter]]]:
    """Put PEFT's LoRA on the model's linear layers while the block runs and yield (A, B) by module name.

    ``layers`` names the only ones to adapt, such as ``q_proj``; empty adapts all.
    The base stays frozen and in evaluation mode; only the adapter's own dropout is active.
    """
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer

    settings = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=[name for name in linear_modules(model) if not layers or name.rpartition(".")[2] in layers],
    )
    with torch.random.fork_rng(devices=[]), quiet_peft():
        torch.manual_seed(derived_seed(seed, "lora-initialisation"))
        wrapped = get_peft_model(model, settings, adapter_name=ADAPTER_NAME)
    factors: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
    masks = np.random.Generator(np.random.SFC64(derived_seed(seed, "dropout")))
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            layer.lora_dropout[ADAPTER_NAME] = IntegerDropout(recipe.dropout, masks)
            factors[name] = (layer.lora_A[ADAPTER_NAME].weight, layer.lora_B[ADAPTER_NAME].weight)
    try:
        for name, (a, b) in start.factors.items() if start is not None else ():
            factors[name][0].data.copy_(a)
            factors[name][1].data.copy_(b)
        yield factors
    finally:
        wrapped.unload()


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Silence one warning: PEFT asks transformers for an attribute that its next release renames."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield


def _fit(
    language_model: LanguageModel,
    learned: Sequence[Domain],
    held_back: Sequence[Domain],
    recipe: LoraRecipe,
    seed: int,
    progress: ProgressHook,
    factors: dict[str, tuple[nn.Parameter, nn.Parameter]],
    head: list[nn.Parameter],
) -> TrainingLog:
    """Train in place and leave the factors and the head at their best state."""
    parameters = [*(parameter for pair in factors.values() for parameter in pair), *head]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    steps_an_epoch = language_model.count_batches(learned, recipe)
    n_steps = max(1, steps_an_epoch * recipe.epochs)
    schedule_step_size(optimiser, lambda step: cosine_share(step, n_steps, recipe))
    clip_gradients(optimiser)
    rng = np.random.default_rng(derived_seed(seed, "batches"))
    slice_batches = _slice_batches(language_model, held_back, recipe, seed)
    log, check_every = TrainingLog(), max(1, steps_an_epoch // CHECKS_AN_EPOCH)
    best = _BestState(parameters, log, partial(_mean_loss, language_model, slice_batches, factors))
    if slice_batches:
        best.look()
    began = reported = time.monotonic()
    recent: list[float] = []
    for _ in range(recipe.epochs):
        batches = language_model.batches(learned, recipe, rng)
        for (batch, n_examples), is_last in with_last(batches):
            recent.append(_step(language_model, batch, optimiser, parameters[0].device))
            log.n_steps += 1
            log.n_examples += n_examples
            if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                reported = time.monotonic()
                progress(f"adapter: step {log.n_steps} of about {n_steps}, loss {np.mean(recent):.3f}")
            if log.n_steps % check_every == 0 or is_last:
                log.losses.append(float(np.mean(recent)))
                recent = []
                if slice_batches:
                    best.look()
    best.restore()
    log.seconds = time.monotonic() - began
    return log


@dataclass
class _BestState:
    """Keeps the parameters as they were when the slice's loss was lowest."""

    parameters: list[nn.Parameter]
    log: TrainingLog
    slice_loss: Callable[[], float]
    kept: list[Tensor] | None = None

    def look(self) -> None:
        """Note the loss, and the parameters if it is the lowest so far."""
        losses = self.log.slice_losses
        losses.append(self.slice_loss())
        if losses[-1] <= min(losses):
            self.log.best_check = len(losses) - 1
            self.kept = [parameter.detach().clone() for parameter in self.parameters]

    def restore(self) -> None:
        """Go back to what was kept; where nobody looked, all stays as it is."""
        if self.kept is not None:
            for parameter, value in zip(self.parameters, self.kept, strict=True):
                parameter.data.copy_(value)


def _begun_head(language_model: LanguageModel, seed: int, start: Adapter | None) -> dict[str, nn.Parameter]:
    """Return the parameters of a new scoring head, or of the one that training goes on from; a model may have none."""
    head = language_model.new_head(seed)
    if head is None:
        return {}
    if start is not None and start.head:
        head.load_state_dict(dict(start.head))
    return dict(head.named_parameters())


def with_last(items: Iterator[Item]) -> Iterator[tuple[Item, bool]]:
    """Yield each item with whether it is the last."""
    pending = next(items, None)
    while pending is not None:
        following = next(items, None)
        yield pending, following is None
        pending = following


def cosine_share(step: int, n_steps: int, recipe: LoraRecipe) -> float:
    """Return the share of the peak learning rate at a step: a linear rise, then half a cosine to zero."""
    n_rising = max(1, round(recipe.warmup_share * n_steps))
    step = min(step, n_steps)  # the number of batches is an estimate
    if step < n_rising:
        return (step + 1) / n_rising
    done = (step - n_rising) / max(1, n_steps - n_rising)
    return 0.5 * (1 + math.cos(math.pi * done))


def _step(
    language_model: LanguageModel, batch: object, optimiser: torch.optim.Optimizer, device: torch.device
) -> float:
    with training_precision(device):
        loss = language_model.loss(batch)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()


def _slice_batches(
    language_model: LanguageModel, held_back: Sequence[Domain], recipe: LoraRecipe, seed: int
) -> list[object]:
    rng = np.random.default_rng(derived_seed(seed, "slice-batches"))
    with_examples = [domain for domain in held_back if language_model.count_batches([domain], recipe)]
    batches = language_model.batches(with_examples, recipe, rng)
    return [
        batch
        for batch, _ in (next(batches, (None, 0)) for _ in range(language_model.slice_batches))
        if batch is not None
    ]


def _mean_loss(
    language_model: LanguageModel, batches: list[object], factors: dict[str, tuple[nn.Parameter, nn.Parameter]]
) -> float:
    """Return the slice's loss without dropout."""
    dropouts = [
        module
        for name in factors
        for module in language_model.model.get_submodule(name).modules()
        if isinstance(module, IntegerDropout)
    ]
    try:
        for dropout in dropouts:
            dropout.eval()
        with torch.no_grad(), full_width_float32(language_model.model):
            return float(np.mean([language_model.loss(batch).item() for batch in batches]))
    finally:
        for dropout in dropouts:
            dropout.train()
