"""Check whether the datasets of stored runs have changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bench.data.prepare import prepared_hash
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.runs.record import RunRecord


def data_notes(records: Iterable[RunRecord], folders: Folders) -> Iterator[str]:
    """Yield a line on datasets that could not be checked, and one per dataset that has changed since the runs.

    Only prepared datasets are checked; nothing is downloaded or prepared.
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
                f"the data of '{name}' has changed since {len(others)} run{'s' * (len(others) > 1)}, such as "
                f"{others[0].token} ({others[0].id}): 'bench run' repeats them"
            )


def _hash_at_hand(name: str, folders: Folders) -> str | None:
    try:
        return prepared_hash(name, folders.data_dir, folders.cache_dir)
    except BenchError:
        return None
