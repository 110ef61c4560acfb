"""Rank validation queries with SmolLM2 by each scoring: untrained and trained, without and with candidates in prompts.

    BENCH_DATA=FOLDER python -m tests.benchmarks.decoder_scorings results/measured/scorings.csv

The queries are 200 of Beauty, cold, other than those that choose the adapters' states. Two hours and a half of one core
that computes in bfloat16, longer on others. A part is added to the file when it is done, and is not computed again.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from bench.files.folders import usual_folders
from bench.lm.adapters.apply import folded
from bench.lm.decoders.examples import titles_of
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.loading import load_language_model
from bench.lm.recommenders import AdapterRecommender
from bench.metrics import Metric, per_user, rank_positive
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from bench.runs.tasks import Tasks, recommender_of

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.plugin import Queries
    from bench.protocol.task import QuerySet

N_QUERIES = 200
RECIPE = {
    "max_examples": 1000,
    "batch_size": 8,
    "warmup_steps": 10,
    "checks_an_epoch": 1,
    "n_validation": N_QUERIES,
    "max_history": 10,
    "title_words": 8,
}
"""That of the experiment ``decoder-beauty``."""
Ranking = Literal["likelihood", "generate"]
METRICS = (Metric.parse("ndcg@1"), Metric.parse("ndcg@3"))


@dataclass(frozen=True)
class Part:
    """What is ranked by one model with one kind of prompt."""

    ranking: Ranking
    trained: bool
    candidates_in_prompt: bool


@dataclass(frozen=True)
class Row:
    """The metrics of one scoring."""

    scoring: str
    trained: int
    candidates_in_prompt: int
    ndcg_at_1: float
    ndcg_at_3: float


PARTS = (
    Part("likelihood", trained=False, candidates_in_prompt=False),
    Part("likelihood", trained=False, candidates_in_prompt=True),
    Part("generate", trained=False, candidates_in_prompt=True),
    Part("likelihood", trained=True, candidates_in_prompt=False),
    Part("likelihood", trained=True, candidates_in_prompt=True),
    Part("generate", trained=True, candidates_in_prompt=True),
)
"""A list can only be matched with candidates that the prompt contains."""


def main(path: Path) -> None:
    """Compute the parts that the file does not contain, and add each to it."""
    for part in PARTS:
        rows = read(path)
        if part not in map(part_of, rows):
            write(path, [*rows, *measured(part, *scores_of(part))])


def part_of(row: Row) -> Part:
    """Return the part that a row belongs to."""
    ranking: Ranking = "generate" if row.scoring == "generate" else "likelihood"
    return Part(ranking, bool(row.trained), bool(row.candidates_in_prompt))


def scores_of(part: Part) -> tuple[QuerySet, dict[str, NDArray[np.float32]]]:
    """Return the queries and their scores by scoring, each of shape (n, n_candidates); train first if necessary."""
    folders, params = usual_folders(), {**RECIPE, "candidates_in_prompt": part.candidates_in_prompt}
    request = RunRequest(
        method="target-only", dataset="beauty", setting="cold", backbone="smollm2", ranking=part.ranking, params=params
    )
    spec = complete(request, folders.data_dir)
    tasks = Tasks(folders, print_lines)
    task, recommender = tasks.task(spec), recommender_of(spec)
    assert isinstance(recommender, AdapterRecommender)
    adapter = None
    if part.trained:
        recommender.fit(task)
        (adapter,) = recommender.trained.values()
    model = load_language_model(task, recommender.reading)
    assert isinstance(model, GenerativeLanguageModel)
    asked = tasks.prepared(spec.protocol).validation.sample(N_QUERIES, spec.protocol.seed)
    if part.ranking == "generate":
        return asked, {"generate": model.score_with(adapter, task.target, asked.queries, print_lines)}
    with folded(model.model, adapter):
        return asked, by_likelihood(model, task.target, asked.queries)


def by_likelihood(model: GenerativeLanguageModel, domain: Domain, queries: Queries) -> dict[str, NDArray[np.float32]]:
    """Return the scores of all scorings by likelihood, from one pass with and one without the histories."""
    histories, candidates = titles_of(domain, queries)
    likelihoods = model.causal.score(histories, candidates)
    priors = model.causal.score([()] * len(queries), candidates)
    lengths = model.causal.answer_lengths(candidates, model.answer_style)
    return {
        "prior": priors,
        "sum": likelihoods,
        "mean": likelihoods / lengths,
        "prior-corrected": likelihoods - priors,
        "prior-corrected-mean": (likelihoods - priors) / lengths,
    }


def measured(part: Part, asked: QuerySet, scores: Mapping[str, NDArray[np.float32]]) -> list[Row]:
    """Return the metrics of each scoring."""
    rows = []
    for scoring, values in scores.items():
        ranks = rank_positive(values, asked.answers.positive_column)
        first, third = (round(float(per_user(ranks, metric).mean()), 4) for metric in METRICS)
        rows.append(Row(scoring, int(part.trained), int(part.candidates_in_prompt), first, third))
    return rows


def read(path: Path) -> list[Row]:
    """Return the rows of a file; none if it does not exist."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(row["scoring"], *(int(row[name]) for name in ("trained", "candidates_in_prompt")),
                *(float(row[name]) for name in ("ndcg_at_1", "ndcg_at_3")))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def write(path: Path, rows: list[Row]) -> None:
    """Write the rows as CSV, beside and renamed."""
    beside = path.with_suffix(".partial")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Row.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, rows))
    beside.replace(path)


def print_lines(event: object) -> None:
    """Print what is told in lines."""
    if isinstance(event, str):
        print(event, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
