"""Fit reports of two kinds of methods."""

from __future__ import annotations

from bench.plugin import AdapterReport, FitReport, MergeReport, TrainingReport

LEARNED = FitReport(
    trained_parameters=1000,
    training=TrainingReport(
        seconds=8.0,
        epochs=4,
        best_epoch=3,
        curves={"validation_ndcg@3": (0.1, 0.2, 0.3, 0.25), "losses": (3.0, 2.0, 1.5, 1.4)},
        ended="converged",
    ),
    cold_rule="embedding as initialized",
    deviations=("Stops early.",),
)
MERGED = FitReport(
    adapters={
        "general": AdapterReport("0a", seconds=30.0, losses=(2.0, 1.0), slice_losses=(2.5, 1.5, 1.6), best_check=1),
        "specific": AdapterReport("0b", seconds=20.0, losses=(2.0, 1.2), slice_losses=(2.4, 1.4), best_check=1),
    },
    merge=MergeReport({"general": 0.25, "specific": 0.75}, chosen=0.75, path=((0.5, 0.5), (0.25, 0.75))),
    cold_rule="title text",
)
