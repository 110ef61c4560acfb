"""Tabulate the memory that training, merging and scoring with a decoder need on one device."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.errors import BenchError, did_you_mean
from bench.lm.memory import (
    GIGABYTE,
    DecoderShape,
    Memory,
    PassLimit,
    TrainingPass,
    merging_memory,
    pass_limit,
    scoring_memory,
    training_memory,
)

KNOWN_SHAPES = {
    "Qwen/Qwen2-7B-Instruct": DecoderShape(3584, 28, 3584, 512, 18944, 152064, attention_bias=True),
    "Qwen/Qwen2-0.5B-Instruct": DecoderShape(896, 24, 896, 128, 4864, 151936, tied=True, attention_bias=True),
    "meta-llama/Llama-3.1-8B-Instruct": DecoderShape(4096, 32, 4096, 1024, 14336, 128256),
    "HuggingFaceTB/SmolLM2-135M-Instruct": DecoderShape(576, 30, 576, 192, 1536, 49152, tied=True),
}
"""Shapes of models whose memory can be computed before they are downloaded."""
PROMPT_TOKENS = 700
"""Tokens of a prompt with 30 candidates and a short history (Beauty)."""
ANSWER_TOKENS = 90
"""Tokens of an answer of five titles, the longest that is trained."""
COUNTED_TOKENS = 15
"""Tokens of such an answer whose entropy counts."""
SCORING_TOKENS = 2**14
"""Tokens of a scoring pass on an accelerator."""
LOGITS_AT_ONCE = 2**26
PAPERS_BATCH = 128


def shape_of(backbone: str) -> DecoderShape:
    """Return the shape of a known hub model, or of the model in a local directory, without loading it.

    Raises:
        BenchError: the name is not known, or the directory contains no decoder.
    """
    if backbone in KNOWN_SHAPES:
        return KNOWN_SHAPES[backbone]
    config_file = Path(backbone).expanduser() / "config.json"
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except OSError:
        raise BenchError(
            f"--memory needs a model's sizes, and '{backbone}' is neither a directory with a config.json nor one of "
            f"{', '.join(KNOWN_SHAPES)}.{did_you_mean(backbone, KNOWN_SHAPES)}"
        ) from None
    except ValueError as error:
        raise BenchError(f"{config_file} is not a JSON file ({error}).") from error
    return DecoderShape.of_config(config if isinstance(config, dict) else {})


def memory_rows(
    shape: DecoderShape, gigabytes: float, batch_size: int = PAPERS_BATCH, rank: int = 16, n_adapters: int = 2
) -> list[dict[str, Any]]:
    """Return one row per job with its memory in gigabytes (10⁹ bytes), in bfloat16 with dropout."""
    device = int(gigabytes * GIGABYTE)
    limit = pass_limit(shape, device, rank)
    whole = TrainingPass(batch_size * PROMPT_TOKENS, batch_size * ANSWER_TOKENS)
    one_pass = limited(whole, limit)
    # a pass has whole prompts
    n_passes = -(-batch_size // max(1, one_pass.tokens // PROMPT_TOKENS))
    jobs = {
        f"train, {batch_size} prompts in one pass": (whole.tokens, training_memory(shape, whole, rank)),
        f"train, {batch_size} prompts in {n_passes} passes{', layers recomputed' if one_pass.recomputed else ''}": (
            one_pass.tokens,
            training_memory(shape, one_pass, rank),
        ),
        f"learn merge weights of {n_adapters} adapters, by prompt": (
            PROMPT_TOKENS,
            merging_memory(shape, n_adapters, PROMPT_TOKENS + ANSWER_TOKENS, COUNTED_TOKENS, rank),
        ),
        "score": (SCORING_TOKENS, scoring_memory(shape, SCORING_TOKENS, LOGITS_AT_ONCE, rank)),
    }
    return [
        {"job": job, "tokens per pass": tokens} | _in_gigabytes(memory) | {"fits": memory.total < device}
        for job, (tokens, memory) in jobs.items()
    ]


def limited(whole: TrainingPass, limit: PassLimit) -> TrainingPass:
    """Return the longest pass of a batch, whose tokens and answers are divided evenly."""
    tokens = whole.tokens if limit.tokens is None else min(whole.tokens, limit.tokens)
    answer_tokens = round(whole.answer_tokens * tokens / whole.tokens)
    return TrainingPass(tokens, answer_tokens, tokens > limit.recomputed_above)


def _in_gigabytes(memory: Memory) -> dict[str, Any]:
    return {name: getattr(memory, name) / GIGABYTE for name in (*(part.name for part in fields(memory)), "total")}
