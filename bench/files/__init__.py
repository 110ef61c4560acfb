"""Store, hash, read and find files, independently of recommenders.

``store`` writes files atomically and stores artifacts under the hash of what determines them, each made by one process
under a ``lease``. ``temporary`` names unfinished files and removes those whose ``owner`` has ended. ``hashing`` hashes
values, and ``revisions`` code. ``yaml_fields`` reads YAML strictly, and ``field_types`` checks values against the types
of a dataclass. ``shipped`` finds the files included in the package, ``folders`` are those of a run, ``cache_contents``
lists what a cache contains, ``extras`` names optional packages, and ``lazy`` loads the public names of a package on
first use.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.files.extras import install_command, is_installed, package_folder, require
    from bench.files.folders import Folders
    from bench.files.hashing import canonical_json, content_hash, derived_seed, file_sha256
    from bench.files.lazy import lazy_names  # noqa: TC004  # listed here too, to keep the list complete
    from bench.files.revisions import Revision, revision_of
    from bench.files.rounding import rounded
    from bench.files.shipped import shipped_folder
    from bench.files.store import ArtifactStore, read_json, require_new, write_json, write_text, written_whole
    from bench.files.yaml_fields import Document, Fields, is_yaml_file
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ArtifactStore",
    "Document",
    "Fields",
    "Folders",
    "Revision",
    "canonical_json",
    "content_hash",
    "derived_seed",
    "file_sha256",
    "install_command",
    "is_installed",
    "is_yaml_file",
    "lazy_names",
    "package_folder",
    "read_json",
    "require",
    "require_new",
    "revision_of",
    "rounded",
    "shipped_folder",
    "write_json",
    "write_text",
    "written_whole",
]
