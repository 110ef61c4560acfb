"""Whether the data of stored runs are the data at hand, for readers who do not run anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bench.data.prepare import prepared_hash
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.runs.record import RunRecord


def data_notes(records: Iterable[RunRecord], folders: Folders) -> Iterator[str]:
    """Yield a line on data that could not be compared, and one on each dataset that is no longer what was used.

    Only data that are here and prepared are compared; nothing is fetched or prepared.
    """
    used: dict[str, dict[str, list[RunRecord]]] = {}
    for record in records:
        for name, content in record.data.items():
            used.setdefault(name, {}).setdefault(content, []).append(record)
    now = {name: _hash_at_hand(name, folders) for name in used}
    unchecked = sorted(name for name, content in now.items() if content is None)
    if unchecked:
        yield f"data not checked: {', '.join(unchecked)} not prepared here (see 'bench data prepare')"
    for name, found in now.items():
        others = [run for stated in used[name] if found not in (None, stated) for run in used[name][stated]]
        if others:
            yield (
                f"the data of '{name}' at hand are not those of {len(others)} run{'s' * (len(others) > 1)}, such as "
                f"{others[0].token} ({others[0].id}): 'bench run' makes them again"
            )


def _hash_at_hand(name: str, folders: Folders) -> str | None:
    try:
        return prepared_hash(name, folders.data_dir, folders.cache_dir)
    except BenchError:
        return None
