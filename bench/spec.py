"""Frozen descriptions of what is run; equal descriptions have equal hashes, and nothing else configures a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bench.files.hashing import content_hash

Setting = Literal["warm", "cold", "user-split"]
ColdPolicy = Literal["holdout", "natural"]
Ranking = Literal["likelihood", "generate"]
Engine = Literal["transformers", "vllm"]
Candidates = Literal["sampled", "full"]

SETTINGS: tuple[Setting, ...] = get_args(Setting)
POLICIES: tuple[ColdPolicy, ...] = get_args(ColdPolicy)
RANKINGS: tuple[Ranking, ...] = get_args(Ranking)
CANDIDATES: tuple[Candidates, ...] = get_args(Candidates)
"""What a positive is ranked among: the frozen list of the protocol, or the whole catalogue."""
DEFAULT_BACKBONE = "minilm"
DEFAULT_SEQ2SEQ_BACKBONE = "tiny"
"""No pre-trained encoder-decoder is packaged, and a default never depends on the network."""
DEFAULT_RANKING: Ranking = "likelihood"
DEFAULT_ENGINE: Engine = "transformers"

PROTOCOL_FIELDS = ("dataset", "setting", "policy", "n_negatives", "holdout_share")
"""Fields of the protocol that stand in the stored spec under their own names; its seed is ``protocol_seed``."""


@dataclass(frozen=True)
class ProtocolSpec:
    """How a dataset is split and how its candidate lists are drawn."""

    dataset: str
    """The card's name."""
    setting: Setting = "warm"
    """Which split: leave-one-out, leave-one-out on cold items, or by users with popular negatives."""
    policy: ColdPolicy = "holdout"
    """How the cold setting chooses its items; ignored elsewhere."""
    seed: int = 0
    """Seed of the held-out items, of the users' parts and days, and of the candidate draws (not of any training)."""
    n_negatives: int = 29
    """Negatives beside the one positive of each query."""
    holdout_share: float = 0.10
    """Share of the items that the cold holdout removes from everyone's train and validation part."""

    def key(self) -> dict[str, Any]:
        """Return the fields that matter for this setting, for hashing."""
        fields: dict[str, Any] = {
            "dataset": self.dataset,
            "setting": self.setting,
            "seed": self.seed,
            "n_negatives": self.n_negatives,
        }
        if self.setting == "cold":
            fields["policy"] = self.policy
            if self.policy == "holdout":
                fields["holdout_share"] = self.holdout_share
        return fields


@dataclass(frozen=True)
class RunSpec:
    """One run: a method with its parameters on one protocol."""

    method: str
    """A registered name, or ``recbole:<Class>``."""
    protocol: ProtocolSpec
    """Dataset, setting and candidate seed."""
    params: dict[str, Any] = field(default_factory=dict)
    """Every hyper-parameter of the method, defaults included."""
    seed: int = 0
    """Seed of training."""
    sources: tuple[str, ...] = ()
    """Source domains' card names, for methods that use them."""
    backbone: str | None = None
    """Language model, for methods that use one."""
    ranking: Ranking | None = None
    """How a causal language model ranks, for methods that use one."""
    limit_queries: int | None = None
    """Score only this many test queries (a seeded sample); None scores all."""
    train_share: float = 1.0
    """Share of the target's training part that is learned from (few-shot); the queries stay the same."""
    engine: Engine | None = None
    """What writes the lists of the ranking ``generate``; None is transformers. Engines agree but for near-ties."""
    train_users: int | None = None
    """Learn from this many users of the target's training part (low-resource curves); None learns from all."""
    train_subset: int = 0
    """Which seeded choice of ``train_users``: within one, fewer users are among more."""
    full_ranking: bool = False
    """Rank each positive among the whole catalogue, not in its frozen list; what is trained is the same."""
    limit_validation: int | None = None
    """Validate on this many queries (a seeded sample); None validates on all."""

    def key(self) -> dict[str, Any]:
        """Return the fields that identify the run, for hashing."""
        fields: dict[str, Any] = {
            "method": self.method,
            "protocol": self.protocol.key(),
            "params": self.params,
            "seed": self.seed,
            "sources": list(self.sources),
            "backbone": self.backbone,
            "ranking": self.ranking,
            "limit_queries": self.limit_queries,
        }
        if self.engine is not None:
            fields["engine"] = self.engine
        if self.train_share != 1:
            fields["train_share"] = self.train_share
        if self.train_users is not None:
            fields["train_users"], fields["train_subset"] = self.train_users, self.train_subset
        if self.full_ranking:
            fields["full_ranking"] = True
        if self.limit_validation is not None:
            fields["limit_validation"] = self.limit_validation
        return fields

    def hash(self) -> str:
        """Return the run's id: equal specs share it on every platform."""
        return content_hash(self.key())


def spec_to_json(spec: RunSpec) -> dict[str, Any]:
    """Flatten a spec: the protocol's fields stand beside the run's, its seed as ``protocol_seed``."""
    protocol = {name: getattr(spec.protocol, name) for name in PROTOCOL_FIELDS}
    return {
        "method": spec.method,
        **protocol,
        "protocol_seed": spec.protocol.seed,
        "params": dict(spec.params),
        "seed": spec.seed,
        "sources": list(spec.sources),
        "backbone": spec.backbone,
        "ranking": spec.ranking,
        "engine": spec.engine,
        "limit_queries": spec.limit_queries,
        "train_share": spec.train_share,
        "train_users": spec.train_users,
        "train_subset": spec.train_subset,
        "full_ranking": spec.full_ranking,
        "limit_validation": spec.limit_validation,
    }


def spec_from_json(fields: dict[str, Any]) -> RunSpec:
    """Rebuild the spec that :func:`spec_to_json` flattened; raise KeyError or TypeError for anything else."""
    rest = dict(fields)
    protocol = {name: rest.pop(name) for name in PROTOCOL_FIELDS}
    seed = rest.pop("protocol_seed")
    rest["sources"] = tuple(rest["sources"])
    return RunSpec(protocol=ProtocolSpec(seed=seed, **protocol), **rest)
