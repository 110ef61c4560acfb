"""Measure a decoder on this machine's accelerator beside transformers' Trainer with PEFT, and SASRec beside RecBole.

    python -m tests.benchmarks.accelerator --output FOLDER              # Qwen2-7B's shape, ten minutes on an H100
    python -m tests.benchmarks.accelerator --size toy --output FOLDER   # seconds on a CPU, to test the script

The weights are random, which costs the same. The prompts are Beauty's if BENCH_DATA has it, else those of a generated
catalogue. The floating-point operations are those of the layers' products: per frozen weight and token, 4 for training
(6 if layers are recomputed) and 2 for scoring. Padding does not count as tokens, so it costs speed. The peak is what a
large product of two matrices reaches in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from bench.contract.toys import planted_groups
from bench.data.domain import Domain
from bench.lm.adapters.adapter import LoraRecipe, linear_modules
from bench.lm.backbones import Backbone
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.language_model import Part
from bench.lm.memory import DecoderShape, TrainingPass, scoring_memory, training_memory
from bench.lm.memory_report import LOGITS_AT_ONCE
from bench.lm.precision import training_dtype
from bench.lm.prompts.shared import Prompt, clean_title
from bench.lm.toys.tiny_decoder import byte_pair_tokenizer
from bench.lm.training.attachment import quiet_peft
from bench.lm.training.lora import Course, train_adapter
from bench.lm.training.passes import limit_for
from tests.benchmarks.accelerator_sasrec import sasrec
from tests.benchmarks.device_measures import memory, peak_flops, reset_peak, speed, timed

IGNORED = -100
COUNTED = "tokens of prompts and answers, without padding"
TIMES = ("recbole_seconds_per_epoch", "seconds_per_epoch", "times_as_fast")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    shape: DecoderShape
    vocabulary: int
    """Size of the tokenizer that is trained; the embeddings have as many rows as the shape says."""
    batch_size: int
    n_steps: int
    n_users: int
    """Users whose candidates are scored."""
    trainer_rows: int
    """Prompts per forward and backward pass of the Trainer, which pads them to the longest."""
    peak_width: int


SIZES = {
    "7b": Size(DecoderShape(3584, 28, 3584, 512, 18944, 152064, attention_bias=True), 30_000, 128, 4, 500, 8, 16384),
    "toy": Size(DecoderShape(64, 2, 64, 32, 128, 2000, attention_bias=True), 600, 4, 2, 4, 2, 256),
}


class Measured(GenerativeLanguageModel):
    """A decoder of given weights that counts the tokens it is trained on."""

    def __init__(self, causal: CausalLanguageModel) -> None:
        self.backbone = Backbone("random weights", "causal", Path(), "random weights")
        self.causal, self.model = causal, causal.model
        self.passes: list[Part] = []
        self.prompts: list[Prompt] = []

    def batches(self, *words: Any) -> Iterator[tuple[list[Prompt], int]]:
        for batch, n_examples in super().batches(*words):
            self.prompts += batch
            yield batch, n_examples

    def parts(self, batch: list[Prompt], max_tokens: int | None) -> list[Part]:
        parts = super().parts(batch, max_tokens)
        self.passes += parts
        return parts


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, write ``accelerator.json`` and ``accelerator.md``, and return what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="7b")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    size, device = SIZES[options.size], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    domain = beauty_or_generated()
    decoder = random_decoder(size, domain, device)
    peak = peak_flops(size.peak_width, device, decoder.model.dtype)
    found: dict[str, Any] = {
        "size": options.size,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "domain": domain.name,
        "peak_teraflops": peak / 1e12,
        "tokens_counted": COUNTED,
    }
    jobs: dict[str, Callable[[], dict[str, Any] | None]] = {
        "training": lambda: training(decoder, domain, size, peak),
        "scoring": lambda: scoring(decoder, domain, size, peak),
        "trainer_and_peft": lambda: trainer_and_peft(decoder, size, peak),
        "sasrec": lambda: sasrec(domain, device),
    }
    for name, measure in jobs.items():
        found[name] = measure()
        write(found, options.output)  # a lent device may be taken back before the end
    return found


def write(found: dict[str, Any], folder: Path) -> None:
    """Write what has been measured so far as JSON and Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "accelerator.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (folder / "accelerator.md").write_text(as_markdown(found), encoding="utf-8")


def beauty_or_generated() -> Domain:
    """Return Beauty's training interactions, or a generated catalogue without the data."""
    if not os.environ.get("BENCH_DATA"):
        return planted_groups(200)
    from bench.data import load_domain

    return load_domain("beauty", Path(os.environ["BENCH_DATA"]), Path(tempfile.mkdtemp()))


def random_decoder(size: Size, domain: Domain, device: torch.device) -> Measured:
    """Return a decoder of the shape with random weights and a tokenizer of the domain's titles."""
    shape, dtype = size.shape, training_dtype(device)
    tokenizer = byte_pair_tokenizer([clean_title(title) for title in domain.titles], size.vocabulary)
    head_width = min(128, shape.key_width)
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.query_width // head_width,
        num_key_value_heads=shape.key_width // head_width,
        tie_word_embeddings=shape.tied,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = Qwen2ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return Measured(CausalLanguageModel(model.requires_grad_(False).eval(), tokenizer, max_history=20))


def training(decoder: Measured, domain: Domain, size: Size, peak: float) -> dict[str, Any]:
    """Train an adapter for a few steps with the papers' batch size."""
    recipe = LoraRecipe(dropout=0.05, learning_rate=1e-4, epochs=1000, batch_size=size.batch_size, max_examples=0)
    recipe = replace(recipe, max_examples=size.batch_size * size.n_steps, adapted_layers=0)

    def train(n_steps: int) -> float:
        decoder.passes, decoder.prompts = [], []
        log = train_adapter(decoder, [domain], recipe, Course(0, n_steps=n_steps), lambda _line: None)[1]
        return log.seconds  # the last loss has been read by then, so the device has finished

    train(1)
    reset_peak(decoder.causal.device)
    seconds = train(size.n_steps)
    tokens = sum(n_tokens(decoder.causal, part.batch) for part in decoder.passes)
    limit, longest = limit_for(decoder, recipe), max(part.n_tokens for part in decoder.passes)
    recomputed = longest > limit.recomputed_above
    one_pass = TrainingPass(longest, round(longest * 0.04), recomputed)
    element = decoder.model.dtype.itemsize
    return {
        "batch_size": size.batch_size,
        "passes_per_step": len(decoder.passes) / size.n_steps,
        "longest_pass_tokens": longest,
        "recomputed": recomputed,
        **speed(tokens, seconds, (6 if recomputed else 4) * size.shape.n_adapted_weights, peak),
        "minutes_for_10000_examples": 10_000 / (size.batch_size * size.n_steps) * seconds / 60,
        **memory(decoder.causal.device, training_memory(size.shape, one_pass, recipe.rank, element=element).total),
    }


def scoring(decoder: Measured, domain: Domain, size: Size, peak: float) -> dict[str, Any]:
    """Score 30 candidates for each of some users, whose branches share their prompt."""
    rng = np.random.default_rng(0)
    titles, users = domain.titles, rng.permutation(domain.n_users)[: size.n_users]
    histories = [[titles[item] for item in domain.history(int(user))[:-1]] for user in users]
    candidates = [[titles[item] for item in rng.permutation(domain.n_items)[:30]] for _ in users]
    causal = decoder.causal
    tokens = sum(map(len, causal.prompt_ids(histories, candidates)))
    tokens += sum(map(len, causal.token_ids([clean_title(title) for row in candidates for title in row])))
    causal.score(histories[:2], candidates[:2])
    reset_peak(causal.device)
    seconds = timed(lambda: causal.score(histories, candidates), causal.device)
    expected = scoring_memory(size.shape, causal.pass_tokens, LOGITS_AT_ONCE)
    return {
        "candidates_per_second": 30 * len(users) / seconds,
        "tokens_per_pass": causal.pass_tokens,
        **speed(tokens, seconds, 2 * size.shape.n_adapted_weights, peak),
        # nothing is folded in here, so the originals of the weights do not count
        **memory(causal.device, expected.total - 2 * size.shape.n_adapted_weights),
    }


def trainer_and_peft(decoder: Measured, size: Size, peak: float) -> dict[str, Any]:
    """Train on the same prompts with transformers' Trainer and PEFT, recomputing layers as its users must."""
    from peft import LoraConfig, get_peft_model
    from transformers import PrinterCallback, Trainer, TrainingArguments

    causal, model = decoder.causal, decoder.model
    prompts = decoder.prompts[: size.batch_size * size.n_steps]
    rows = [labelled(causal, prompt) for prompt in prompts]
    on_cpu = causal.device.type == "cpu"
    with quiet_peft(), tempfile.TemporaryDirectory() as folder:
        adapted = list(linear_modules(model))
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=adapted)
        wrapped = get_peft_model(model, lora)
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=size.trainer_rows,
            gradient_accumulation_steps=size.batch_size // size.trainer_rows,
            max_steps=size.n_steps,
            learning_rate=1e-4,
            bf16=model.dtype == torch.bfloat16,
            gradient_checkpointing=not on_cpu,
            gradient_checkpointing_kwargs={"use_reentrant": False},
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            use_cpu=on_cpu,
            disable_tqdm=True,
        )
        trainer = Trainer(wrapped, arguments, train_dataset=rows, data_collator=lambda batch: padded(causal, batch))  # type: ignore[arg-type]
        trainer.remove_callback(PrinterCallback)
        reset_peak(causal.device)
        seconds = timed(trainer.train, causal.device)
        wrapped.unload()
    per_weight = 4 if on_cpu else 6
    return {
        **speed(n_tokens(causal, prompts), seconds, per_weight * size.shape.n_adapted_weights, peak),
        **memory(causal.device, None),
    }


def n_tokens(causal: CausalLanguageModel, prompts: Sequence[Prompt]) -> int:
    """Return the number of tokens of prompts and their answers, without padding."""
    return sum(len(labelled(causal, prompt)["input_ids"]) for prompt in prompts)


def labelled(causal: CausalLanguageModel, prompt: Prompt) -> dict[str, list[int]]:
    """Return an example's tokens, with labels at its answer alone."""
    question, answer = causal.token_ids([prompt.shared, prompt.answer])
    answer = [*answer, causal.tokenizer.eos_token_id]
    return {"input_ids": question + answer, "labels": [IGNORED] * len(question) + answer}


def padded(causal: CausalLanguageModel, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Return rows as tensors, padded to the longest."""
    width = max(len(row["input_ids"]) for row in rows)
    filled = {"input_ids": causal.tokenizer.pad_token_id, "labels": IGNORED}
    made = {
        name: torch.tensor([row[name] + [filler] * (width - len(row[name])) for row in rows])
        for name, filler in filled.items()
    }
    return {**made, "attention_mask": (made["input_ids"] != filled["input_ids"]).long()}


def as_markdown(found: dict[str, Any]) -> str:
    """Return what was measured as a table."""
    lines = [
        f"# {found['size']} on {found['device']}",
        "",
        f"torch {found['torch']}, prompts of {found['domain']}, peak {found['peak_teraflops']:.3g} TFLOPS. "
        f"Tokens are {found['tokens_counted']}.",
        "",
        "| Job | Tokens per second | Share of peak | Peak GB | Computed GB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for job in [name for name in ("training", "scoring", "trainer_and_peft") if name in found]:
        facts = found[job]
        gigabytes = [facts[f"{kind}_gigabytes"] for kind in ("peak", "computed")]
        cells = [f"{facts['tokens_per_second']:,.0f}", f"{facts['share_of_peak']:.1%}"]
        cells += ["" if value is None else f"{value:.1f}" for value in gigabytes]
        lines.append(f"| {job.replace('_', ' ')} | {' | '.join(cells)} |")
    if "scoring" in found:
        lines += ["", f"Scoring: {found['scoring']['candidates_per_second']:,.0f} candidates per second."]
    if found.get("sasrec") is not None:
        theirs, mine, times = (found["sasrec"][name] for name in TIMES)
        lines += ["", f"An epoch of SASRec: RecBole {theirs:.2f} s, ours {mine:.2f} s, {times:.1f} times as fast."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
