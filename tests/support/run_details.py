"""What two kinds of methods report of their fit, as run records hold it."""

from __future__ import annotations

from typing import Any

LEARNED: dict[str, Any] = {
    "cold_rule": "embedding as initialised",
    "deviations": ["Stops early."],
    "epochs": 4,
    "best_epoch": 3,
    "validation_ndcg@3": [0.1, 0.2, 0.3, 0.25],
    "losses": [3.0, 2.0, 1.5, 1.4],
    "seconds_per_epoch": 2.0,
    "parameters": 1000,
}
MERGED: dict[str, Any] = {
    "cold_rule": "title text",
    "adapters": {
        "general": {"seconds": 30.0, "losses": [2.0, 1.0], "slice_losses": [2.5, 1.5, 1.6], "best_check": 1},
        "specific": {"seconds": 20.0, "losses": [2.0, 1.2], "slice_losses": [2.4, 1.4], "best_check": 1},
    },
    "lambda_general": 0.25,
    "lambda_specific": 0.75,
    "lambda_path": [[0.5, 0.5], [0.25, 0.75]],
}
