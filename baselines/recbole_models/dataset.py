"""A domain with the part of RecBole's dataset interface that RecBole's models use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench.baselines.recbole_models.zoo import FEATURE, ITEM, ITEMS, LENGTH, TIME, USER
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from bench.errors import BenchError
from bench.learning.sequences import prefixes

if TYPE_CHECKING:
    from bench.data.domain import Domain

Interaction = Any
"""RecBole's batch class; its package has no types."""


def interaction(**columns: Tensor) -> Interaction:
    """Return a RecBole batch of these columns."""
    from recbole.data.interaction import Interaction as RecBoleInteraction

    return RecBoleInteraction(columns)


class DomainAsDataset:
    """Implements RecBole's dataset interface over a domain: ids start at 1, and 0 is padding."""

    uid_field, iid_field, time_field = USER, ITEM, TIME
    dataset_path = ""

    def __init__(self, domain: Domain, max_length: int, sequential: bool) -> None:
        self._domain = domain
        self._max_length = max_length
        self._sequential = sequential
        self.user_num = domain.n_users + 1
        self.item_num = domain.n_items + 1
        self.inter_num = domain.n_interactions
        self.field2seqlen = {ITEMS: max_length}

    def num(self, field: str) -> int:
        """Return the number of ids of a column, including padding."""
        if field == FEATURE:
            return int(self._categories.max()) + 1
        return {USER: self.user_num, ITEM: self.item_num}[field]

    @property
    def field2type(self) -> dict[str, Any]:
        """Return the type of each column, in RecBole's terms."""
        from recbole.utils import FeatureType

        return {USER: FeatureType.TOKEN, ITEM: FeatureType.TOKEN, FEATURE: FeatureType.TOKEN_SEQ}

    def get_user_feature(self) -> Interaction:
        """Return the users' table: their ids."""
        return interaction(**{USER: torch.arange(self.user_num)})

    def get_item_feature(self) -> Interaction:
        """Return the items' table: their ids, and their categories if the domain has any."""
        columns = {ITEM: torch.arange(self.item_num)}
        if self._domain.categories is not None:
            columns[FEATURE] = torch.from_numpy(self._categories)
        return interaction(**columns)

    @property
    def inter_feat(self) -> Interaction:
        """Return the training examples: interactions, each with the preceding items if the model is sequential."""
        if not self._sequential:
            return interaction(**{USER: torch.from_numpy(self._users), ITEM: torch.from_numpy(self._items)})
        examples = prefixes(self._domain, self._max_length)
        rows = np.arange(len(examples))
        columns = {USER: examples.users + 1, ITEM: examples.following(rows), LENGTH: examples.lengths}
        padded = torch.from_numpy(examples.padded(rows, self._max_length))
        return interaction(**{name: torch.from_numpy(column) for name, column in columns.items()}, **{ITEMS: padded})

    def inter_matrix(self, form: str = "coo", value_field: str | None = None) -> Any:
        """Return the user by item matrix of ones, in scipy's ``coo`` or ``csr`` form."""
        ones = np.ones(self.inter_num)
        matrix = sparse.coo_matrix((ones, (self._users, self._items)), shape=(self.user_num, self.item_num))
        return matrix if form == "coo" else matrix.tocsr()

    def history_item_matrix(
        self, value_field: str | None = None, max_history_len: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return each user's items, a matrix of ones for them, and their number."""
        return _padded_rows(self._users, self._items, self.user_num, max_history_len)

    def history_user_matrix(
        self, value_field: str | None = None, max_history_len: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return each item's users, a matrix of ones for them, and their number."""
        return _padded_rows(self._items, self._users, self.item_num, max_history_len)

    @cached_property
    def _users(self) -> NDArray[np.int64]:
        return self._domain.users_of_interactions() + 1

    @cached_property
    def _items(self) -> NDArray[np.int64]:
        return self._domain.items.astype(np.int64) + 1

    @cached_property
    def _categories(self) -> NDArray[np.int64]:
        """Ids of the words of each item's categories, shape (item_num, maximum number of words)."""
        if self._domain.categories is None:
            raise BenchError(
                f"Dataset '{self._domain.name}' has no item categories, which this RecBole class needs. "
                "See 'bench list datasets'."
            )
        ids: dict[str, int] = {}
        rows = [[ids.setdefault(word, len(ids) + 1) for word in text.split()] for text in self._domain.categories]
        table = np.zeros((self.item_num, max(1, *map(len, rows))), dtype=np.int64)
        for item, row in enumerate(rows, start=1):
            table[item, : len(row)] = row
        return table


def _padded_rows(
    rows: NDArray[np.int64], columns: NDArray[np.int64], n_rows: int, limit: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    order = np.argsort(rows, kind="stable")
    counts = np.bincount(rows, minlength=n_rows)
    position = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = int(counts.max(initial=1)) if limit is None else min(limit, int(counts.max(initial=1)))
    kept = position < width
    table = np.zeros((n_rows, width), dtype=np.int64)
    table[rows[order][kept], position[kept]] = columns[order][kept]
    return (
        torch.from_numpy(table),
        torch.from_numpy((table > 0).astype(np.float32)),
        torch.from_numpy(np.minimum(counts, width)),
    )
