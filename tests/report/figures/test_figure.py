from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow, FigureSpec
from bench.plugin import Entry, FitReport, MergeReport
from bench.registry import Registry
from bench.report.figures.draw import COLORS, draw, write_figure
from bench.report.figures.figure import Figure, Panel, Point, Series, figure_of, x_of
from bench.report.tables.build import build_table
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
REGISTRY = Registry({name: Entry(name, "general") for name in ("bpr", "sasrec")}, {})
LINES = FigureSpec("lines", ("ndcg@1",), "layers", "Layers (number)", {"bpr": "BPR-MF"})
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def experiment(*rows: ExperimentRow, **fields: Any) -> Experiment:
    facts: dict[str, Any] = {
        "name": "small",
        "caption": "A small table.",
        "rows": rows,
        "datasets": (ExperimentDataset("beauty", "Beauty"),),
        "settings": ("warm",),
        "metrics": ("ndcg@1", "ndcg@3"),
        "figure": LINES,
        **fields,
    }
    return Experiment(**facts)


def figure(described: Experiment, store: RunStore) -> Figure:
    return figure_of(described, build_table(described, store, REGISTRY), store)


def swept(save_run: Save) -> Experiment:
    """Two points of a sweep and a row without a place on the axis."""
    save_run("bpr", [0, 5, 5, 5], overrides={"layers": 3})
    save_run("bpr", [0, 0, 5, 5], overrides={"layers": 1})
    save_run("sasrec", [0, 0, 0, 5])
    points = (ExperimentRow("bpr", "3 layers", {"layers": 3}), ExperimentRow("bpr", "1 layer", {"layers": 1}))
    return experiment(*points, ExperimentRow("sasrec", "SASRec"))


def test_points_are_the_tables_cells_in_the_order_of_the_axis(run_store: RunStore, save_run: Save) -> None:
    described = swept(save_run)
    table = build_table(described, run_store, REGISTRY)
    ((panel,),) = figure(described, run_store).panels
    (line,) = panel.series
    cells = [table.rows[row].cells[0] for row in (1, 0)]
    assert line.label == "BPR-MF"
    assert line.points == tuple(Point(x, c.value or 0, c.low, c.high) for x, c in zip((1.0, 3.0), cells, strict=True))
    assert [(level.label, level.points[0].y) for level in panel.levels] == [("SASRec", 0.75)]
    assert (panel.title, panel.y_label) == ("Beauty, warm", "NDCG@1, mean over users")


def test_a_point_without_a_run_is_left_out(run_store: RunStore, save_run: Save) -> None:
    described = swept(save_run)
    more = experiment(*described.rows, ExperimentRow("bpr", "9 layers", {"layers": 9}))
    ((panel,),) = figure(more, run_store).panels
    assert [point.x for point in panel.series[0].points] == [1.0, 3.0]


def test_a_table_in_percent_has_a_figure_in_percent(run_store: RunStore, save_run: Save) -> None:
    described = swept(save_run)
    ((panel,),) = figure(experiment(*described.rows, percent=True), run_store).panels
    assert panel.series[0].points[0].y == 50.0
    assert panel.y_label == "NDCG@1 (%), mean over users"


def test_what_runs_report_of_themselves_can_be_drawn_and_has_no_interval(run_store: RunStore, save_run: Save) -> None:
    merge = MergeReport({"target": 0.7, "one": 0.3})
    save_run("bpr", [0, 5], overrides={"layers": 3}, fit=FitReport(merge=merge))
    labels = {"merge.weights.target": "Weight λ"}
    spec = FigureSpec("lines", ("ndcg@1", *labels), "layers", "Layers", {}, labels)
    made = figure(experiment(ExperimentRow("bpr", "3", {"layers": 3}), figure=spec), run_store)
    assert [row[0].y_label for row in made.panels] == ["NDCG@1, mean over users", "Weight λ"]
    assert made.panels[1][0].series == (Series("bpr", (Point(3.0, 0.7),)),)


def test_dots_stand_over_the_tables_column_groups(run_store: RunStore, save_run: Save) -> None:
    for setting in ("warm", "cold"):
        save_run("bpr", [0, 5], setting=setting)
    save_run("sasrec", [0, 0], setting="cold")
    rows = (ExperimentRow("bpr", "BPR"), ExperimentRow("sasrec", "SASRec"))
    spec = FigureSpec("dots", ("ndcg@1", "ndcg@3"))
    made = figure(experiment(*rows, settings=("warm", "cold"), figure=spec), run_store)
    assert made.ticks == ("Beauty, warm", "Beauty, cold")
    assert [len(row) for row in made.panels] == [1, 1]
    assert [[(p.x, p.y) for p in s.points] for s in made.panels[0][0].series] == [[(0, 0.5), (1, 0.5)], [(1, 1.0)]]


@pytest.mark.parametrize(
    ("row", "name", "expected"),
    [
        (ExperimentRow("a", "a", {"n_prompts": 50}), "n_prompts", 50.0),
        (ExperimentRow("a", "a"), "n_prompts", None),
        (ExperimentRow("a", "a", x=0.0), "n_prompts", 0.0),
        (ExperimentRow("a", "a", train_share=0.1), "train_share", 0.1),
        (ExperimentRow("a", "a"), "train_share", None),
        (ExperimentRow("a", "a", sources=("x", "y")), "n_sources", 2.0),
        (ExperimentRow("a", "a"), "n_sources", None),
    ],
)
def test_a_row_has_its_place_on_the_axis(row: ExperimentRow, name: str, expected: float | None) -> None:
    assert x_of(row, name) == expected


def test_nothing_to_draw_is_an_error_that_says_what_to_do(run_store: RunStore, save_run: Save) -> None:
    rows = (ExperimentRow("bpr", "BPR"),)
    with pytest.raises(BenchError, match=r"No runs of 'small' are stored\. Run 'bench reproduce small'"):
        figure(experiment(*rows), run_store)
    save_run("bpr", [0, 5])
    with pytest.raises(BenchError, match="'small' does not define a plot"):
        figure(experiment(*rows, figure=None), run_store)


def drawn(kind: str = "lines") -> Figure:
    points = tuple(Point(float(x), 0.1 * x, 0.1 * x - 0.05, 0.1 * x + 0.05) for x in range(1, 4))
    panel = Panel("Beauty, warm", "NDCG@1", (Series("one", points), Series("two", points[:2])), ())
    level = Panel("Toys, warm", "NDCG@1", (), (Series("across", (Point(0.0, 0.2),)),))
    if kind == "dots":
        return Figure("small", kind, "", ((panel,), (panel,)), ("a", "b", "c", "d"))
    return Figure("small", kind, "Prompts (number)", ((panel, level),))


@pytest.mark.parametrize("kind", ["lines", "dots"])
def test_a_figure_is_written_as_pdf_and_png_and_is_the_same_every_time(tmp_path: Path, kind: str) -> None:
    first = write_figure(drawn(kind), tmp_path / "a")
    second = write_figure(drawn(kind), tmp_path / "b")
    assert [path.name for path in first] == ["small.pdf", "small.png"]
    assert first[0].read_bytes().startswith(b"%PDF")
    assert first[1].read_bytes().startswith(PNG_HEAD)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_what_is_drawn_has_the_points_the_bands_and_the_words() -> None:
    canvas = draw(drawn())
    lines, levels = canvas.axes
    np.testing.assert_allclose(lines.lines[0].get_xydata(), [[1, 0.1], [2, 0.2], [3, 0.3]])
    assert len(lines.collections) == 2
    assert (lines.lines[0].get_color(), lines.lines[1].get_color()) == COLORS[:2]
    assert len({line.get_marker() for line in lines.lines}) == 2
    assert levels.lines[0].get_ydata() == [0.2, 0.2]
    assert canvas.get_supxlabel() == "Prompts (number)"
    (legend,) = canvas.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two", "across"]
    assert "95%" in legend.get_title().get_text()


def test_ticks_of_four_narrow_panels_do_not_overlap() -> None:
    points = tuple(Point(float(n), 0.25 + n / 1000) for n in (0, 10, 20, 50))
    panel = Panel("Beauty, warm", "NDCG@1", (Series("RecCocktail", points),))
    canvas = draw(Figure("prompts", "lines", "Prompts (number)", ((panel,) * 4,)))
    canvas.draw_without_rendering()
    for place in canvas.axes:
        boxes = [label.get_window_extent() for label in place.get_xticklabels() if label.get_text()]
        assert len(boxes) >= 3
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_a_panel_without_runs_says_so() -> None:
    empty = Figure("small", "lines", "x", ((Panel("Beauty, warm", "NDCG@1", ()),),))
    assert [text.get_text() for text in draw(empty).axes[0].texts] == ["no runs stored"]


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BenchError, match=r"needs the extra 'plots' .*: pip install 'llmrec-bench\[plots\]'"):
        write_figure(Figure("n", "lines", "x", ((Panel("t", "y", ()),),)), tmp_path)


def test_drawing_opens_no_window_and_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.report.figures.figure import Figure, Panel\n"
        "from bench.report.figures.draw import write_figure\n"
        f"write_figure(Figure('n', 'lines', 'x', ((Panel('t', 'y', ()),),)), Path({str(tmp_path)!r}))\n"
        "sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
