"""Which of RecBole's sequential and general classes run here, found out by running each on a small made-up domain.

``python -m bench.baselines.recbole_models.survey`` writes the answer to ``docs/pages/methods/recbole-models.md``.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from bench.baselines.recbole_adapter import RecBole
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.shortcuts import Abilities

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.plugin import Answers, Queries, Task

DOCUMENT = Path(__file__).parents[2] / "docs" / "pages" / "methods" / "recbole-models.md"
N_ITEMS = 120
"""More than the 100 items that some classes rank a second time."""
N_USERS = 40
HISTORY_LENGTH = 6
N_CANDIDATES = 30
QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 32, "max_length": 10}


@dataclass(frozen=True)
class Finding:
    """What came of trying one class."""

    name: str
    """RecBole's class name."""
    family: str
    """``sequential`` or ``general``."""
    obstacle: str = ""
    """Why the class does not run here; empty where it does."""
    reads_categories: bool = False
    """Whether it runs only on data with categories."""
    example: str = ""
    """What one training example is."""
    abilities: Abilities = field(default_factory=Abilities)
    """The shortcuts that are exact for it."""

    @property
    def runs(self) -> bool:
        """Whether it can be trained and scores all candidates with finite numbers."""
        return not self.obstacle


def survey() -> list[Finding]:
    """Return a finding for every sequential and general class of the installed RecBole."""
    with tempfile.TemporaryDirectory() as folder:
        return [try_class(name, Path(folder)) for name in zoo.model_modules()]


def try_class(name: str, folder: Path) -> Finding:
    """Train a class for one epoch and let it score; ``folder`` is for what it stores."""
    finding = Finding(name, "sequential" if "sequential" in zoo.model_modules()[name] else "general")
    if name in zoo.UNSUPPORTED:
        return replace(finding, obstacle=zoo.UNSUPPORTED[name])
    task = made_up_task(folder)
    try:
        try:
            return replace(finding, **_facts(name, task))
        except BenchError:  # it asks for categories
            titled = replace(task.target, categories=tuple(f"kind{item % 7}" for item in range(N_ITEMS)))
            return replace(finding, reads_categories=True, **_facts(name, replace(task, target=titled)))
    except Exception as error:  # a class may fail in any way, and how it does is the finding
        return replace(finding, obstacle=f"it fails: {type(error).__name__}: {error}")


def made_up_task(folder: Path) -> Task:
    """Return a small task in which each user's items count upwards."""
    histories = (np.arange(N_USERS)[:, None] * 10 + np.arange(HISTORY_LENGTH)) % N_ITEMS
    lengths = np.arange(N_USERS + 1) * HISTORY_LENGTH
    domain = Domain(
        name="made-up",
        indptr=lengths,
        items=histories.flatten().astype(np.int32),
        titles=tuple(f"item {item}" for item in range(N_ITEMS)),
        user_ids=np.arange(N_USERS).astype(str),
        item_ids=np.arange(N_ITEMS).astype(str),
    )
    candidates = (histories[:, -1:] + 1 + np.arange(N_CANDIDATES)) % N_ITEMS
    queries = Queries(np.arange(N_USERS), lengths, domain.items, candidates.astype(np.int32))
    answers = Answers(np.zeros(N_USERS, dtype=np.int64))
    return Task(domain, queries, answers, setting="warm", seed=0, artifacts=ArtifactStore(folder))


def markdown(findings: Sequence[Finding]) -> str:
    """Return the findings as a Markdown page."""
    refused = [finding for finding in findings if not finding.runs]
    rows = [_row(finding) for finding in findings if finding.runs]
    return "\n".join(
        [
            "# RecBole's models",
            "",
            f"`bench run --method recbole:<Class>` runs {len(rows)} of the {len(findings)} sequential and general "
            f"classes of RecBole {version('recbole')}.",
            "This page is written by `python -m bench.baselines.recbole_models.survey`, which trains each for an",
            "epoch on a made-up domain; a test holds it to the code. Where a model allows it, found out by trying in",
            "double precision, three shortcuts save work and change no result:",
            "",
            "- *every position*: a causal model is trained at all positions of a sequence at once;",
            "- *cut padding*: a batch is as wide as its longest history, and its histories are of similar length;",
            "- *dot scoring*: only the candidates are scored, not the whole catalogue.",
            "",
            "Classes that read categories need data that have them (see `bench list datasets`).",
            "",
            "| class | family | a training example | every position | cut padding | dot scoring | needs |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "## Classes that do not run here",
            "",
            "| class | family | why not |",
            "| --- | --- | --- |",
            *(f"| {finding.name} | {finding.family} | {finding.obstacle} |" for finding in refused),
            "",
        ]
    )


def _facts(name: str, task: Task) -> dict[str, Any]:
    """Fit and score a class; return the fields of its finding."""
    recommender = RecBole.wrapping(name)
    instance = recommender(recommender.Params(**QUICK))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what RecBole's files call that has become old
        instance.fit(task)
    if not np.isfinite(instance.score(task.validation)).all():
        raise ValueError("a score is not finite")
    return {"example": instance.learner.name, "abilities": instance.abilities}


def _row(finding: Finding) -> str:
    abilities = finding.abilities
    shortcuts = (abilities.trains_every_position, abilities.cuts_padding, abilities.scores_by_dot)
    cells = (
        finding.name,
        finding.family,
        finding.example,
        *("yes" if holds else "–" for holds in shortcuts),
        "categories" if finding.reads_categories else "",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(markdown(survey()), encoding="utf-8")
