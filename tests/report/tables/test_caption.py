from __future__ import annotations

from bench.experiments.experiment import ExperimentRow
from bench.plugin import FitReport
from bench.report.tables.build import build_table
from bench.runs.store import RunStore
from tests.support.small_tables import REGISTRY, Save, experiment, ranks


def test_the_caption_states_what_the_figures_rest_on(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 6))
    save_run("lora", ranks(0, 8), backbone="minilm", sources=("clothing",))
    caption = build_table(experiment("bpr", "lora"), run_store, REGISTRY).caption
    for fact in ("Beauty, warm: n = 300, candidates hash-beauty-warm", "paired t-test", "Holm", "One seed", "minilm"):
        assert fact in caption


def test_warnings_of_the_runs_stand_below_the_table_once(run_store: RunStore, save_run: Save) -> None:
    for method in ("bpr", "sasrec"):
        save_run(method, ranks(0, 6), warnings=["Only 52 queries."])
    table = build_table(experiment("bpr", "sasrec"), run_store, REGISTRY)
    assert table.footnotes == ("Warning: Only 52 queries.",)


def test_warnings_say_which_of_several_places_they_are_of(run_store: RunStore, save_run: Save) -> None:
    for setting in ("warm", "cold"):
        save_run("bpr", ranks(0, 6), setting=setting, warnings=["Untitled items.", f"Few {setting} users."])
    both = experiment("bpr", settings=("warm", "cold"))
    notes = [note for note in build_table(both, run_store, REGISTRY).footnotes if note.startswith("Warning")]
    assert notes == [
        "Warning (Beauty, warm; Beauty, cold): Untitled items.",
        "Warning (Beauty, warm): Few warm users.",
        "Warning (Beauty, cold): Few cold users.",
    ]


def test_deviations_from_the_papers_stand_below_the_table_once_with_their_rows(
    run_store: RunStore, save_run: Save
) -> None:
    own, shared = "Trained on half the data.", "another backbone"
    save_run("bpr", ranks(0, 6), fit=FitReport(deviations=(own, shared)))
    save_run("sasrec", ranks(0, 6), fit=FitReport(deviations=(shared,)))
    table = build_table(experiment("bpr", "sasrec"), run_store, REGISTRY)
    assert table.footnotes == (
        f"Departures from the paper (BPR): {own}",
        "Departures from the paper (BPR, SASREC): Another backbone.",
    )


def test_a_deviation_of_many_rows_names_the_first_of_them(run_store: RunStore, save_run: Save) -> None:
    rows = tuple(ExperimentRow("bpr", f"α {number}", {"layers": number}) for number in range(3, 8))
    for number in range(3, 8):
        save_run("bpr", ranks(0, 6), overrides={"layers": number}, fit=FitReport(deviations=("Rounded.",)))
    table = build_table(experiment("bpr", rows=rows), run_store, REGISTRY)
    assert table.footnotes == ("Departures from the paper (α 3, α 4, α 5 and 2 more): Rounded.",)


def test_the_caption_states_the_family_and_its_size(run_store: RunStore, save_run: Save) -> None:
    for method, highest in (("bpr", 4), ("sasrec", 6), ("random", 30)):
        save_run(method, ranks(2, highest))
    stars = build_table(experiment("bpr", "sasrec", "random"), run_store, REGISTRY)
    letters = build_table(experiment("bpr", "sasrec", "random", star_style="letters"), run_store, REGISTRY)
    assert "comparisons of the best row with all eligible rows (2 comparisons)" in stars.caption
    assert "all pairs of eligible rows (3 comparisons)" in letters.caption


def test_few_users_are_warned_of_and_the_detectable_difference_is_told(run_store: RunStore, save_run: Save) -> None:
    for method, highest in (("bpr", 4), ("random", 30)):
        save_run(method, ranks(1, highest))
        save_run(method, ranks(1, highest)[:52], setting="cold")
    table = build_table(experiment("bpr", "random", settings=("warm", "cold")), run_store, REGISTRY)
    size = table.rows[1].cells[0].behind_best.detectable_difference
    assert any("80% power" in note and f"Beauty, warm {size:.4f}" in note for note in table.footnotes)
    assert [note for note in table.footnotes if note.startswith("Warning: few users")] == [
        "Warning: few users: Beauty, cold (52). Smaller differences are missed in more than 20% of cases, so a missing "
        "mark does not mean that two methods are equal."
    ]
