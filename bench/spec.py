"""Define the frozen specification of a run.

Equal specifications have equal hashes, and nothing else configures a run.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args

Setting = Literal["warm", "cold", "user-split"]
ColdPolicy = Literal["holdout", "natural"]
Ranking = Literal["likelihood", "sum", "mean", "prior-corrected", "prior-corrected-mean", "generate"]
"""How a language model ranks; ``sum`` is another name of ``likelihood``, and the others are for decoders only."""
Engine = Literal["transformers", "vllm"]
Candidates = Literal["sampled", "full"]

SETTINGS: tuple[Setting, ...] = get_args(Setting)
POLICIES: tuple[ColdPolicy, ...] = get_args(ColdPolicy)
RANKINGS: tuple[Ranking, ...] = get_args(Ranking)
CANDIDATES: tuple[Candidates, ...] = get_args(Candidates)
"""What a positive is ranked against: the protocol's fixed candidate list, or the full catalogue."""
N_NEGATIVES = 29
"""Usual number of negatives per query."""
MOST_NEGATIVES = 10_000
"""Maximum number; ranks are stored as 16-bit integers."""
DEFAULT_BACKBONE = "minilm"
DEFAULT_SEQ2SEQ_BACKBONE = "tiny"
"""The default is a toy, because no pre-trained encoder-decoder is packaged and defaults never need the network."""
DEFAULT_RANKING: Ranking = "likelihood"
DEFAULT_ENGINE: Engine = "transformers"

EXTERNAL = "external:"
"""Prefix of the method of a run whose scores another program computed; bench cannot execute such a run."""

PROTOCOL_SEED = "protocol_seed"
"""Name of the protocol's seed in records, where the run's own seed is called ``seed``."""


def option(  # noqa: PLR0913  # one keyword per property of an option
    default: Any,
    *,
    flag: str = "",
    words: str = "",
    circumstance: bool = False,
    neutral: bool = False,
    needs: str = "",
    belongs_to: str = "",
    unset: tuple[str, ...] = (),
    within: str = "",
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Return a dataclass field with the metadata from which the command line, reports and run ids are derived.

    Args:
        default: The value if the option is not given.
        flag: Its name on the command line if that differs from the field's name, which then works as well.
        words: What reports print for it, a format string for the value; empty prints nothing.
        circumstance: Whether it distinguishes runs but not the rows of a table, such as a seed.
        neutral: Whether it is left out of the run's id at its default, so that existing runs keep their ids.
        needs: The field of the method's registry entry that must be true for the option to be used; empty for any
            method.
        belongs_to: The option that this one refines; this one is part of the id if and only if that one is given.
        unset: The choices that None means.
        within: The only setting in which it has an effect; empty for every setting.
        minimum: Smallest allowed value.
        above: Exclusive lower bound.
        maximum: Largest allowed value.
    """
    facts = {key: value for key, value in locals().items() if key != "default"}
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class ProtocolSpec:
    """How a dataset is split and how its candidate lists are drawn."""

    dataset: str
    """Name of the dataset card."""
    setting: Setting = "warm"
    """How the data is split: leave-one-out, leave-one-out on cold items, or by users with popular negatives."""
    policy: ColdPolicy = "holdout"
    """How the cold setting chooses its items; ignored in other settings."""
    seed: int = 0
    """Seed for drawing held-out items, user splits and candidates (not used in training)."""
    n_negatives: int = N_NEGATIVES
    """Number of negatives per query; each query has one positive."""
    holdout_share: float = 0.10
    """Fraction of items that the cold holdout removes from all training and validation data."""

    def key(self) -> dict[str, Any]:
        """Return the fields that matter in this setting, for hashing."""
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


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run besides its method, protocol and parameters, shared by requests and specs.

    The text under a field is also its help on the command line.
    """

    backbone: str | None = option(None, words="{}", needs="needs_backbone")
    """Language model: minilm (default), smollm2, tiny, a local directory or a hub name."""
    sources: tuple[str, ...] = option((), flag="--source-datasets", words="from {}", needs="needs_sources")
    """Source datasets, repeatable or comma-separated (default: those listed on the dataset card)."""
    ranking: Ranking | None = option(
        None, flag="--scoring", words="{}", needs="needs_backbone", unset=(DEFAULT_RANKING, "prior-corrected")
    )
    """How a decoder scores titles: by their likelihood minus that without a history (likelihood or prior-corrected, the
    default), the same per token (prior-corrected-mean), the plain likelihood (sum), that per token (mean), or by a list
    that it generates (generate)."""
    engine: Engine | None = option(None, flag="--backend", words="{}", neutral=True, unset=(DEFAULT_ENGINE,))
    """Library that generates the lists of --scoring generate: transformers (default) or vllm."""
    seed: int = option(0, words="seed {}", circumstance=True)
    """Seed of training."""
    train_share: float = option(
        1.0, flag="--train-fraction", words="{:.0%} of the training data", neutral=True, above=0, maximum=1
    )
    """Train on this fraction of the target's training data; smaller fractions are subsets of larger ones."""
    train_users: int | None = option(None, words="{:,} training users", neutral=True, minimum=1)
    """Train on this many of the target's training users; smaller samples are subsets of larger ones."""
    train_subset: int = option(
        0, flag="--subset-index", words="subset {}", circumstance=True, belongs_to="train_users", minimum=0
    )
    """Index of the random subset drawn for --train-users."""
    limit_validation: int | None = option(None, words="{:,} validation queries", neutral=True, minimum=1)
    """Validate on a random sample of this many validation queries."""
    limit_queries: int | None = option(None, flag="--limit", words="{} queries", circumstance=True, minimum=1)
    """Score a random sample of this many test queries."""
    full_ranking: bool = option(False, words="full catalogue", circumstance=True, neutral=True)
    """Rank each positive among the full catalogue instead of its candidate list."""

    def options(self) -> dict[str, Any]:
        """Return option name -> value."""
        return {item.name: getattr(self, item.name) for item in _option_fields()}


@cache
def _option_fields() -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of the options; a store has thousands of specs, and each is hashed when it is read."""
    return dataclasses.fields(RunOptions)


@dataclass(frozen=True)
class RunSpec(RunOptions):
    """A complete run: a method with its parameters on one protocol."""

    method: str
    """A registered name, or ``recbole:<Class>``."""
    protocol: ProtocolSpec
    """Dataset, setting and candidate seed."""
    params: dict[str, Any] = field(default_factory=dict)
    """Every hyperparameter of the method, including defaults, except neutral ones at their default."""

    @property
    def is_external(self) -> bool:
        """Whether another program computed the scores."""
        return self.method.startswith(EXTERNAL)

    def key(self) -> dict[str, Any]:
        """Return the fields that identify the run, for hashing."""
        options = {item.name: getattr(self, item.name) for item in _option_fields() if not self._is_left_out(item)}
        return {"method": self.method, "protocol": self.protocol.key(), "params": self.params, **options}

    def hash(self) -> str:
        """Return the run's id: equal specs share it on every platform."""
        from bench.files.hashing import content_hash  # imports numpy, which a command's help does not need

        return content_hash(self.key())

    def _is_left_out(self, item: dataclasses.Field[Any]) -> bool:
        other = item.metadata["belongs_to"]
        if other:
            return getattr(self, other) is None
        return bool(item.metadata["neutral"]) and getattr(self, item.name) == item.default


def spec_to_json(spec: RunSpec) -> dict[str, Any]:
    """Return a spec as one flat mapping; the protocol's seed is stored as ``protocol_seed``."""
    protocol = {item.name: getattr(spec.protocol, item.name) for item in dataclasses.fields(ProtocolSpec)}
    protocol[PROTOCOL_SEED] = protocol.pop("seed")
    options = {**spec.options(), "sources": list(spec.sources)}
    return {"method": spec.method, **protocol, "params": dict(spec.params), **options}


def spec_from_json(content: dict[str, Any]) -> RunSpec:
    """Rebuild a spec from the output of :func:`spec_to_json`; raise KeyError or TypeError for other content."""
    rest = dict(content)
    protocol = {item.name: rest.pop(item.name) for item in dataclasses.fields(ProtocolSpec) if item.name != "seed"}
    protocol["seed"] = rest.pop(PROTOCOL_SEED)
    return RunSpec(**{**rest, "sources": tuple(rest["sources"])}, protocol=ProtocolSpec(**protocol))
