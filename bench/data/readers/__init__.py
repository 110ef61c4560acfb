"""Readers of source files: one module per family of formats, and ``formats``, which lists them by name.

A reader consists of two functions: one reads the events of a file, the other the titles and categories of their items.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.data.readers.formats import ATOMIC, FORMATS, GENERIC, Format
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["ATOMIC", "FORMATS", "GENERIC", "Format"]
