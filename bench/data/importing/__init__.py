"""Import a user's own data: files of several formats, or a DataFrame, become a dataset in generic files.

``formats`` opens a file as an ``OpenTable`` (``tables``), whatever its format. ``roles`` finds its columns, ``texts``
and ``times`` read them, and ``convert`` builds the interactions and items. ``files`` and ``frames`` write the dataset.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.data.importing.files import Imported, import_dataset
    from bench.data.importing.frames import import_frame
    from bench.data.importing.options import ImportOptions
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["ImportOptions", "Imported", "import_dataset", "import_frame"]
