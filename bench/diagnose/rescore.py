"""Score a stored run again, with its candidates in other orders or with paraphrased prompts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from bench.diagnose.stability import Stability, permutations, scored_in_order, stability
from bench.errors import BenchError
from bench.metrics import Metric, per_user, rank_positive, top_items
from bench.plugin import ProgressHook, Queries, Recommender
from bench.protocol.task import PreparedTask, QuerySet
from bench.registry import registry
from bench.runs.engine import checked_scores
from bench.runs.record import RunRecord
from bench.runs.tasks import Tasks, recommender_of

if TYPE_CHECKING:
    import numpy as np

    from bench.files.folders import Folders
    from bench.lm.prompts.paraphrases import Paraphrase


@dataclass(frozen=True)
class Rescorer:
    """The recommender of a stored run, fitted again, with a sample of the run's queries."""

    record: RunRecord
    recommender: Recommender
    sample: QuerySet
    metric: Metric

    @property
    def n_queries(self) -> int:
        """Number of queries in the sample."""
        return len(self.sample)

    def over_candidate_orders(self, times: int) -> Stability:
        """Score the sample with permuted candidates, ``times`` times."""
        n, n_candidates = self.sample.queries.candidates.shape
        orders = permutations(n, n_candidates, times)
        return self._compared(scored_in_order(self._scores, self.sample.queries, order) for order in orders)

    def over_paraphrases(self, times: int) -> Stability:
        """Score the sample with paraphrased prompts, ``times`` times.

        Raises:
            BenchError: the method does not use the shared prompt, or there are fewer paraphrases.
        """
        from bench.lm.decoders.likelihood import GenerativeLanguageModel
        from bench.lm.prompts.paraphrases import PARAPHRASES, paraphrased

        language_model = getattr(self.recommender, "language_model", None)
        if not isinstance(language_model, GenerativeLanguageModel):
            raise BenchError(
                f"Run {self.record.id} ({self.record.spec.method}) does not use the shared prompt, so it cannot be "
                "paraphrased: remove --paraphrases."
            )
        if times > len(PARAPHRASES):
            raise BenchError(
                f"--paraphrases must be at most {len(PARAPHRASES)}, the number of available paraphrases, not {times}."
            )

        def asked(paraphrase: Paraphrase) -> NDArray[np.floating]:
            with paraphrased(language_model, paraphrase):
                return self._scores(self.sample.queries)

        return self._compared(map(asked, PARAPHRASES[:times]))

    def _compared(self, repetitions: Iterable[NDArray[np.floating]]) -> Stability:
        """Compare repeated scores of the sample, in its original columns, with those of the run."""
        scores = [self._original, *repetitions]
        columns, n_candidates = self.sample.answers.positive_column, self.record.n_candidates
        ranks = [rank_positive(one, columns) for one in scores]
        values = [float(per_user(one, self.metric, n_candidates).mean()) for one in ranks]
        return stability(values, [top_items(one, self.sample.queries.candidates) for one in scores])

    @cached_property
    def _original(self) -> NDArray[np.floating]:
        return self._scores(self.sample.queries)

    def _scores(self, queries: Queries) -> NDArray[np.floating]:
        return checked_scores(self.record.spec.method, self.recommender.score(queries), queries).copy()


def rescorer(
    record: RunRecord,
    folders: Folders,
    metric: Metric,
    limit_queries: int,
    progress: ProgressHook,
    device: str = "cpu",
) -> Rescorer:
    """Fit a stored run's recommender again, from the cache if its model is there.

    Args:
        record: The run.
        folders: The folders of its data and models.
        metric: Metric to compare.
        limit_queries: Maximum number of queries, a seeded sample.
        progress: Receives the messages of fitting.
        device: Torch device.

    Raises:
        BenchError: the method receives the answers, the run ranked the full catalogue, or its candidates have changed
            since.
    """
    if record.spec.full_ranking:
        raise BenchError(
            f"Run {record.id} ranked the full catalogue, where there is no candidate order or prompt to change; "
            "diagnose the run without --full-ranking, which has the same model."
        )
    if registry().entry(record.spec.method).privileged:
        raise BenchError(f"Method '{record.spec.method}' receives the answers; scoring it again is not informative.")
    recommender, prepared = _refitted(record, folders, progress, device)
    return Rescorer(record, recommender, prepared.test.sample(limit_queries, record.spec.protocol.seed), metric)


def _refitted(
    record: RunRecord, folders: Folders, progress: ProgressHook, device: str
) -> tuple[Recommender, PreparedTask]:
    spec = record.spec
    tasks = Tasks(folders, progress, device)
    prepared = tasks.prepared(spec.protocol)
    if prepared.candidates_hash != record.candidates_hash:
        raise BenchError(
            f"The data of '{spec.protocol.dataset}' has changed since run {record.id}: its candidates were "
            f"{record.candidates_hash} and are now {prepared.candidates_hash}."
        )
    recommender = recommender_of(spec)
    recommender.fit(tasks.task(spec))
    return recommender, prepared
