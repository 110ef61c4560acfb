"""A small shop dataset as a user would provide it: two CSV files with items of different popularity."""

from __future__ import annotations

from pathlib import Path

import numpy as np

N_USERS, N_ITEMS = 80, 60


def write_shop(
    data_dir: Path,
    name: str = "shop",
    n_untitled: int = 0,
    seed: int = 0,
    n_users: int = N_USERS,
    seconds_between: int = 1,
    article: str = "Article",
) -> Path:
    """Write ``data_dir/name`` with users of 8 to 12 purchases among 60 items; the last items lack a title."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, N_ITEMS + 1) ** 0.3
    events = ["user_id,item_id,timestamp"]
    for user in range(n_users):
        items = rng.choice(N_ITEMS, rng.integers(8, 13), replace=False, p=weights / weights.sum())
        events += [f"user{user},item{item},{1000 * user + seconds_between * step}" for step, item in enumerate(items)]
    titles = [f"{article} number {item}" if item < N_ITEMS - n_untitled else "" for item in range(N_ITEMS)]
    folder = data_dir / name
    folder.mkdir(parents=True)
    (folder / "interactions.csv").write_text("\n".join(events) + "\n", encoding="utf-8")
    catalogue = [f"item{item},{title}" for item, title in enumerate(titles)]
    (folder / "items.csv").write_text("\n".join(["item_id,title", *catalogue]) + "\n", encoding="utf-8")
    return folder
