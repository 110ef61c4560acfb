"""How time and memory grow with the data: measured values as a table and as a chart."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass

from method_pages import MEASURED

GROWTH = MEASURED / "growth.csv"
STEPS = {
    "prepare": "prepare the data",
    "candidates": "draw and check candidates",
    "run": "`bench run --method popularity`",
    "table": "table of two runs",
}
GIGABYTE = 1e9


@dataclass(frozen=True)
class Measured:
    """One step on one size of data."""

    interactions: int
    step: str
    seconds: float
    memory_bytes: float


def growth() -> str:
    """Return the measured values as a chart, log scale on both axes, and as a table."""
    rows = _measured()
    return f"{_chart(rows)}\n\n{_table(rows)}"


def _measured() -> list[Measured]:
    with GROWTH.open(encoding="utf-8") as file:
        return [
            Measured(int(row["interactions"]), row["step"], float(row["seconds"]), float(row["memory_bytes"]))
            for row in csv.DictReader(file)
        ]


def _table(rows: list[Measured]) -> str:
    sizes = sorted({row.interactions for row in rows})
    found = {(row.step, row.interactions): row for row in rows}
    lines = [
        "| Step | " + " | ".join(f"{size:,} interactions" for size in sizes) + " |",
        "|---|" + "---:|" * len(sizes),
    ]
    for step, name in STEPS.items():
        cells = [found.get((step, size)) for size in sizes]
        shown = ["–" if one is None else f"{one.seconds:.1f} s, {one.memory_bytes / GIGABYTE:.1f} GB" for one in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _chart(rows: list[Measured]) -> str:
    """Return seconds and gigabytes by the number of interactions, side by side, as one SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, title, unit in zip(figure.subplots(1, 2), ("Seconds", "Peak memory in GB"), (1, GIGABYTE), strict=True):
        for step in STEPS:
            of_step = sorted((row for row in rows if row.step == step), key=lambda row: row.interactions)
            values = [(row.seconds if unit == 1 else row.memory_bytes) / unit for row in of_step]
            axes.plot([row.interactions for row in of_step], values, marker="o", label=step)
        axes.set(title=title, xlabel="Interactions", xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    source = f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue().encode()).decode()}"
    return f'<img class="figure" alt="Time and memory by number of interactions; values in the table" src="{source}">'
