"""Open a Parquet file for an import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from bench.data.importing.tables import OpenTable
from bench.errors import BenchError, shown

if TYPE_CHECKING:
    from bench.data.source_files import SourceFile

Read = TypeVar("Read")
LONGEST_REASON = 120


class ParquetTable(OpenTable):
    """A Parquet file; only the needed columns are read."""

    kind = "Parquet"

    def __init__(self, file: SourceFile) -> None:
        self.file, self.name = file, file.path.name
        names = self._guarded(self._names)
        self.names: Sequence[str] = names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise BenchError(f"{self.head}: column '{shown(repeated[0])}' occurs twice.")

    @property
    def head(self) -> str:
        """Return the file."""
        return str(self.file)

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the named columns as Arrow arrays."""
        return self._guarded(lambda: self._columns(list(dict.fromkeys(names))))

    def place(self, row: int) -> str:
        """Return where a row is."""
        return f"{self.file}, row {row + 1}"

    def _names(self) -> list[str]:
        from pyarrow import parquet

        with parquet.ParquetFile(self.file.path) as opened:
            return list(opened.schema_arrow.names)

    def _columns(self, names: list[str]) -> dict[str, Any]:
        from pyarrow import parquet

        with parquet.ParquetFile(self.file.path) as opened:
            table = opened.read(columns=names, use_threads=False)
        return {name: table.column(name) for name in names}

    def _guarded(self, read: Callable[[], Read]) -> Read:
        """Return what ``read`` returns; raise BenchError for a file that is not Parquet, or a damaged one."""
        import pyarrow

        try:
            return read()
        except (pyarrow.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError) as error:
            reason = shown(" ".join(str(error).split()), LONGEST_REASON)
            raise BenchError(f"{self.file} cannot be read as Parquet: {reason or type(error).__name__}.") from error
