"""Numbers and titles as tables show them."""

from __future__ import annotations

MISSING_TEXT = "–"
"""Text of a cell without a run."""
COUNT_TITLES = {
    "users": "Users",
    "items": "Items",
    "interactions": "Interactions",
    "density_percent": "Density (%)",
    "mean_length": "Interactions per user",
    "untitled": "Untitled items",
}
DECIMALS_OF_COUNTS = {"density_percent": 4, "mean_length": 2}
SUMMARY_DECIMALS = 2
METRIC_TITLES = {"ndcg": "NDCG", "hit": "Hit", "recall": "Recall", "mrr": "MRR", "map": "MAP", "auc": "AUC"}
PERCENT_SIGN = " (%)"
"""Suffix of a metric whose scores are shown in percent."""


def shortened_letters(letters: tuple[str, ...]) -> str:
    """Return consecutive letters or numbers as a range, such as ``a–d,f``."""
    places = [int(letter) if letter.isdigit() else ord(letter) for letter in letters]
    runs: list[list[int]] = []
    for number, place in enumerate(places):
        if runs and places[runs[-1][-1]] == place - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [
        f"{letters[run[0]]}–{letters[run[-1]]}" if len(run) > 2 else ",".join(letters[number] for number in run)
        for run in runs
    ]
    return ",".join(parts)


def in_percent(value: float) -> float:
    """Return a fraction in percent, without floating-point noise."""
    return round(100 * value, 10)


def figure(value: float, percent: bool = False, sign: str = "", decimals: int | None = None) -> str:
    """Return a fraction as text: ``0.0638``, or ``6.38`` in percent; ``sign`` is a format specifier such as ``+``."""
    usual = 2 if percent else 4
    return f"{100 * value if percent else value:{sign}.{usual if decimals is None else decimals}f}"


def summary_text(value: float | None, sign: str = "", decimals: int | None = None) -> str:
    """Return a mean rank or an improvement in percent as text, with at most two decimals; a dash if there is none."""
    shown = SUMMARY_DECIMALS if decimals is None else min(decimals, SUMMARY_DECIMALS)
    return MISSING_TEXT if value is None else f"{value:{sign}.{shown}f}".replace("-", "−")


def count_text(name: str, value: float, sign: str = "") -> str:
    """Return a dataset statistic as text: ``22,363``, or ``0.0734`` for a density in percent."""
    return f"{value:{sign},.{DECIMALS_OF_COUNTS.get(name, 0)}f}"


def metric_title(metric: str) -> str:
    """Return the title of a metric, such as ``NDCG@3``, or of a dataset statistic."""
    if metric in COUNT_TITLES:
        return COUNT_TITLES[metric]
    name, at, cutoff = metric.partition("@")
    return METRIC_TITLES.get(name, name) + at + cutoff
