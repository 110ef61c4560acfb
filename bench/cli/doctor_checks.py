"""The checks of ``bench doctor`` that concern this machine: directories, disk, processors, threads and the hub."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.files.folders import Folders

LEAST_FREE_BYTES = 500_000_000
"""Free disk space below which little can be stored."""
LANGUAGE_MODEL_BYTES = 2_000_000_000
"""Free disk space below which a training with a language model may fail."""
HUB = "https://huggingface.co"
HUB_SECONDS = 3.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
OFFLINE_VARIABLES: Mapping[str, str] = MappingProxyType({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})


def data(folders: Folders) -> str:
    """Return which datasets have source files here."""
    from bench.data.card import list_cards
    from bench.data.locate import is_at_hand, require_folder
    from bench.data.own_data import own_datasets

    if folders.data_dir is not None:
        require_folder(folders.data_dir)
    cards = list_cards()
    here, damaged = [], []
    for card in cards:
        try:
            here += [card.name] if is_at_hand(card, folders.data_dir, folders.cache_dir) else []
        except BenchError as error:
            damaged.append(str(error))
    if damaged:
        raise BenchError(" ".join(damaged))
    own = own_datasets(folders.data_dir)
    place = f"in {folders.data_dir}" if folders.data_dir else "without BENCH_DATA"
    text = f"{len(here)} of {len(cards)} datasets need no download ({place})"
    return f"{text}; your own: {', '.join(own)}" if own else text


def cache(folders: Folders) -> str:
    """Return where the cache is; raise BenchError if it cannot be written."""
    return _writable(folders.cache_dir, "--cache-dir or BENCH_CACHE")


def results(folders: Folders) -> str:
    """Return where results are; raise BenchError if they cannot be written."""
    return _writable(folders.results_dir, "--results-dir or BENCH_RESULTS")


def disk(folders: Folders) -> str:
    """Return the free space on the disks of cache and results; raise BenchError if it is low."""
    from bench.files.cache_contents import in_bytes

    free = {
        name: shutil.disk_usage(_existing(place)).free
        for name, place in (("cache", folders.cache_dir), ("results", folders.results_dir))
    }
    text = ", ".join(f"{in_bytes(size)} free for {name}" for name, size in free.items())
    least = min(free.values())
    if least < LEAST_FREE_BYTES:
        raise BenchError(f"{text}; expected {in_bytes(LEAST_FREE_BYTES)} or more. See 'bench cache info'.")
    if least < LANGUAGE_MODEL_BYTES:
        return f"{text}; language models may need {in_bytes(LANGUAGE_MODEL_BYTES)} or more, see 'bench cache info'"
    return text


def gpu(_folders: Folders) -> str:
    """Return the GPUs that torch can use."""
    from bench.files.extras import is_installed

    if not is_installed("torch"):
        return "none, without torch"
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        return f"none (torch {torch.__version__} {f'for CUDA {built}' if built else 'for CPUs only'})"
    devices = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return ", ".join(f"{device.name} with {device.total_memory / 2**30:.0f} GiB" for device in devices)


def threads(_folders: Folders) -> str:
    """Return the number of cores, and of threads that each numerical library uses."""
    import numpy as np
    from threadpoolctl import threadpool_info

    from bench.files.extras import is_installed

    parts = [f"{os.cpu_count()} cores"]
    if is_installed("torch"):
        import torch

        parts.append(f"torch {torch.get_num_threads()}")
    _ = np.zeros(1)  # loads OpenBLAS
    found = {(one["internal_api"], one["num_threads"]) for one in threadpool_info()}
    parts += [f"{api} {number}" for api, number in sorted(found)]
    given = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if os.environ.get(name)]
    return ", ".join(parts) + f" ({', '.join(given) or 'OMP_NUM_THREADS is not set'})"


def hub(_folders: Folders) -> str:
    """Return whether language models can be downloaded; they are not needed for minilm and tiny."""
    import urllib.error
    import urllib.request

    offline = [name for name, value in OFFLINE_VARIABLES.items() if os.environ.get(name, "").upper() in (value, "TRUE")]
    if offline:
        return f"not used, because {' and '.join(offline)} is set; minilm and tiny work without it"
    address = os.environ.get("HF_ENDPOINT", HUB)
    if not address.startswith(("https://", "http://")):
        raise BenchError(f"HF_ENDPOINT is {address!r}, expected an address such as {HUB}.")
    try:
        with urllib.request.urlopen(address, timeout=HUB_SECONDS):  # noqa: S310  # the scheme is checked above
            return f"{address} can be reached"
    except urllib.error.HTTPError as error:
        return f"{address} can be reached (it answers {error.code})"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{address} cannot be reached ({reason}); minilm and tiny work without it"


def _writable(folder: Path, option: str) -> str:
    from bench.files.output import require_writable

    try:
        require_writable(folder)
    except OSError as error:
        reason = error.strerror or error
        raise BenchError(f"{folder} cannot be written ({reason}): change {option}, or its permissions.") from error
    return f"{folder}{'' if folder.exists() else ' (made when it is first written)'}"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
