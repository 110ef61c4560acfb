"""Load the public names of a package on first use.

The ``__init__.py`` of a package lists its public names once, as imports for type checkers and readers::

    if TYPE_CHECKING:
        from bench.runs.store import RunStore
    else:
        __getattr__, __dir__ = lazy_names(__name__)

    __all__ = ["RunStore"]

``from bench.runs import RunStore`` then imports ``bench.runs.store`` and none of the other modules, so using one module
of a package does not load the rest.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` (PEP 562) for a package that lists its names in ``__all__``.

    Args:
        package: Name of a package whose source imports each of these names from the module that defines it.
    """

    def load(name: str) -> Any:
        if name not in _offered(package):
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(_modules(package)[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *_offered(package)})

    return load, names


def _offered(package: str) -> list[str]:
    offered: list[str] = vars(sys.modules[package]).get("__all__", [])
    return offered


@cache
def _modules(package: str) -> Mapping[str, str]:
    """Return the module from which the package's source imports each name."""
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(sys.modules[package]))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
