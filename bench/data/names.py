"""Check names of datasets. A name cannot be a path, because directories, files and the candidates' seed use it."""

from __future__ import annotations

import re

from bench.errors import BenchError, shown

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
RULE = "use at most 100 lower-case letters, digits, '.', '_' and '-', a letter or a digit first"


def check_name(name: str) -> None:
    """Raise BenchError for an invalid dataset name; for a path, its last part is suggested."""
    if not NAME.fullmatch(name):
        near = name.rstrip("/").rpartition("/")[2].lower()
        hint = f" Did you mean {near}?" if NAME.fullmatch(near) else ""
        raise BenchError(f"'{shown(name)}' is not a valid dataset name: {RULE}.{hint}")


def checked_name(name: str) -> str:
    """Return the name of an existing dataset in lower case, as all are; raise BenchError for an invalid one."""
    check_name(name.lower() if NAME.fullmatch(name.lower()) else name)
    return name.lower()
