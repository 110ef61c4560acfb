"""Import a user's own DataFrame as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.importing.files import Imported, new_folder, write_dataset
from bench.data.importing.options import ImportOptions
from bench.data.importing.tables import OpenTable
from bench.errors import BenchError, shown

if TYPE_CHECKING:
    import pandas


class FrameTable(OpenTable):
    """A DataFrame."""

    kind = "DataFrame"

    def __init__(self, frame: pandas.DataFrame, name: str) -> None:
        self.frame, self.name = frame, name
        self.names: Sequence[str] = [str(column) for column in frame.columns]
        repeated = sorted({column for column in self.names if self.names.count(column) > 1})
        if repeated:
            raise BenchError(f"{self.head}: column '{shown(repeated[0])}' occurs twice.")

    @property
    def head(self) -> str:
        """Return the DataFrame."""
        return f"The DataFrame of {self.name}"

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the named columns as Arrow arrays."""
        return {name: self._column(name) for name in names}

    def place(self, row: int) -> str:
        """Return where a row is."""
        return f"Row {self.frame.index[row]} of the DataFrame of {self.name}"

    def option(self, role: str) -> str:
        """Return the argument for the column of a role."""
        return f"{role}_column="

    def setting(self, name: str) -> str:
        """Return another argument."""
        return f"{name.replace('-', '_')}={'True' if name in ('unordered', 'overwrite') else ''}"

    def _column(self, name: str) -> Any:
        import pyarrow

        values = self.frame.iloc[:, self.names.index(name)]
        try:
            column = pyarrow.Array.from_pandas(values)
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
            column = self._texts(name, values)  # values of several types
        return column if hasattr(column, "chunks") else pyarrow.chunked_array([column])

    def _texts(self, name: str, values: pandas.Series[Any]) -> Any:
        import pyarrow

        texts = [None if is_missing else str(value) for value, is_missing in zip(values, values.isna(), strict=True)]
        try:
            return pyarrow.array(texts, pyarrow.large_string())
        except (pyarrow.ArrowException, UnicodeEncodeError) as error:
            raise BenchError(f"{self.head}: column '{shown(name)}' contains text that is not Unicode.") from error


def import_frame(
    interactions: pandas.DataFrame,
    name: str,
    data_dir: Path,
    items: pandas.DataFrame | None = None,
    options: ImportOptions | None = None,
) -> Imported:
    """Write DataFrames as the dataset ``name`` to ``data_dir``, with the same checks as for files.

    Args:
        interactions: One row per interaction.
        name: Name of the dataset.
        data_dir: Directory with one subdirectory per dataset; created if missing.
        items: One row per item, or None; without it, titles may be a column of the interactions.
        options: Columns, times and what may be replaced.

    Raises:
        BenchError: any error of :func:`bench.data.importing.files.import_dataset`.
    """
    options = options or ImportOptions()
    target = new_folder(name, data_dir, options)
    tables = FrameTable(interactions, "interactions"), None if items is None else FrameTable(items, "items")
    return write_dataset(name, *tables, target, options)
