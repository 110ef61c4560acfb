"""Draw a curve in a terminal with one dot per column.

The libraries for this bring a canvas, colors and a terminal of their own; a learning curve needs one line of dots.
"""

from __future__ import annotations

from collections.abc import Sequence

HEIGHT, WIDTH = 8, 60
"""Lines and columns of the plotting area."""
DOT, BEST = "·", "●"


def chart(values: Sequence[float], steps: Sequence[float], best: int | None = None) -> str:
    """Return a curve as text, with the lowest and highest value at its side and the first and last step below it.

    Args:
        values: At least two values.
        steps: The position of each value on the horizontal axis, ascending.
        best: Index of a value to mark with a larger dot.
    """
    low, high = min(values), max(values)
    columns = [_cell(step, steps[0], steps[-1], WIDTH) for step in steps]
    rows = [HEIGHT - 1 - _cell(value, low, high, HEIGHT) for value in values]
    field = [[" "] * WIDTH for _ in range(HEIGHT)]
    for row, column in zip(rows, columns, strict=True):
        field[row][column] = DOT
    if best is not None:
        field[rows[best]][columns[best]] = BEST
    labels = [f"{high:.4f}", *[""] * (HEIGHT - 2), f"{low:.4f}"]
    lines = [f"{label:>8} ┤{''.join(line)}".rstrip() for label, line in zip(labels, field, strict=True)]
    first, last = (f"{step:g}" for step in (steps[0], steps[-1]))
    below = f"{'':9} {first}{last:>{WIDTH - len(first)}}"
    return "\n".join([*lines, f"{'':8} └{'─' * WIDTH}", below])


def _cell(value: float, low: float, high: float, n_cells: int) -> int:
    """Return the index of the cell that contains a value of a range."""
    return round((value - low) / (high - low) * (n_cells - 1)) if high > low else 0
