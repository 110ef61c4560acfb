"""History lengths and item popularity of a board's queries, from the prepared data if available."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from bench.data.locate import is_at_hand
from bench.data.prepare import card_of, load_domain
from bench.errors import BenchError
from bench.protocol.full_ranking import catalogue_hash
from bench.protocol.task import PreparedTask, prepare_task
from bench.report.page.user_analysis import QueryFacts, ShownLists
from bench.runs.record import RunRecord

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.files.folders import Folders
    from bench.plugin import ProgressHook

IN_TRAINING = "Training popularity of the target item"
IN_ALL = "Popularity of the target item in the whole dataset (it has no training interactions)"

_PATH = re.compile(r"(?<![\w/…])(?:~|/[^\s/'\",;()]+)(?:/[^\s/'\",;()]+)*/([^\s/'\",;()]+)")

FactsOf = Callable[[RunRecord], "QueryFacts | str"]
"""Returns the properties of a run's queries, or the reason why they are not available."""


def facts_reader(folders: Folders, progress: ProgressHook, with_lists: bool = True) -> FactsOf:
    """Return a function that reads each dataset once; nothing is downloaded for a report.

    ``with_lists`` includes what the queries contain.
    """

    @cache
    def domain(name: str) -> Domain:
        return load_domain(name, folders.data_dir, folders.cache_dir, progress)

    def read(record: RunRecord) -> QueryFacts | str:
        name = record.spec.protocol.dataset
        try:
            if not is_at_hand(card_of(name, folders.data_dir), folders.data_dir, folders.cache_dir):
                return f"The dataset '{name}' was not available: give --data-dir or set BENCH_DATA."
            prepared = prepare_task(domain(name), record.spec.protocol, folders.artifacts)
        except BenchError as error:
            return f"The dataset '{name}' could not be read: {without_paths(str(error))}"
        found = catalogue_hash(prepared) if record.spec.full_ranking else prepared.candidates_hash
        if found != record.candidates_hash:
            return (
                f"The dataset '{name}' has changed since the runs: its candidates are now {found}, "
                f"the runs ranked {record.candidates_hash}."
            )
        facts = query_facts(prepared, record.spec.limit_queries)
        return facts if with_lists else replace(facts, lists=None)

    return read


def without_paths(text: str) -> str:
    """Return a message with each path replaced by its last part, to hide the directories of the machine."""
    return _PATH.sub(r"…/\1", text)


def query_facts(prepared: PreparedTask, limit_queries: int | None) -> QueryFacts:
    """Return the properties of the test queries a run scored, in stored order."""
    asked = prepared.test.sample(limit_queries, prepared.spec.seed)
    positives = asked.lists.positives
    in_training = prepared.training.item_counts()[positives]
    cold = not in_training.any()
    return QueryFacts(
        history_lengths=np.diff(asked.queries.history_indptr),
        popularity=prepared.domain.item_counts()[positives] if cold else in_training,
        popularity_title=IN_ALL if cold else IN_TRAINING,
        lists=ShownLists(
            history_indptr=asked.queries.history_indptr,
            history_items=asked.queries.history_items,
            candidates=asked.queries.candidates,
            positives=positives,
            titles=prepared.domain.titles,
            item_ids=prepared.domain.item_ids,
        ),
    )
