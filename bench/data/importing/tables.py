"""A table of a user's own data, whatever its format: names of columns, their values, and where each row is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from bench.errors import BenchError


class OpenTable(ABC):
    """A table whose columns are read when they are needed."""

    name: str
    """Name of the file, as shown to users."""
    kind: str
    """Format, as shown to users."""
    names: Sequence[str]
    """Column names, all different."""

    @property
    @abstractmethod
    def head(self) -> str:
        """The place of the column names, with which errors about columns begin."""

    @abstractmethod
    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns as Arrow arrays of equal length; raise BenchError if a row cannot be read."""

    @abstractmethod
    def place(self, row: int) -> str:
        """Return where the row with this index is, such as ``orders.csv, line 17``; may read the file again."""

    def option(self, role: str) -> str:
        """Return how a user names the column of a role."""
        return f"--{role}-column"

    def setting(self, name: str) -> str:
        """Return how a user gives another option of the import."""
        return f"--{name}"

    def fault(self, row: int, text: str) -> BenchError:
        """Return the error for a row."""
        return BenchError(f"{self.place(row)}: {text}.")
