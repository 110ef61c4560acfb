"""The contract of a recommender: each check returns what it found, or raises an exception that says what is broken.

The planted catalogue has five topics, each user stays in one of them, and no user interacts with a sixth. A recommender
that learns from users, histories or titles therefore finds the next item; one that learns nothing does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.contract.worlds import with_other_answers
from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.learning.convergence import IN_WORDS
from bench.metrics import N_CANDIDATES, Metric, chance, per_user, rank_positive
from bench.runs.engine import fit_report

if TYPE_CHECKING:
    from bench.contract.subject import Subject

NDCG_AT_1 = Metric("ndcg", 1)
LEARNED = 0.25
"""Minimum NDCG@1 on the planted catalogue; knowing the topics gives 1, chance 1 / (1 + negatives)."""
FALSE_ALARM = 1e-4
"""Probability that a recommender without any knowledge fails the check on shuffled histories."""
TOLERANCE = 1e-4
"""Largest difference between scores that counts as rounding, in standard deviations of the scores."""


class Broken(Exception):  # noqa: N818  # a finding, no error
    """The recommender does not keep to the contract; the message says how."""


class NotChecked(Exception):  # noqa: N818  # a finding, no error
    """The check does not apply to this recommender; the message says why."""


class Doubtful(Exception):  # noqa: N818  # a finding, no error
    """The contract is kept, but something is missing; the message says what."""


def fits(subject: Subject) -> str:
    """Fit the recommender to the planted task."""
    fit, n_users = subject.first_fit, subject.world.task.target.n_users
    return f"{type(fit.recommender).__name__} learned from {n_users} users in {fit.seconds:.1f} s"


def scores_every_candidate(subject: Subject) -> str:
    """Check that there is one score per candidate, and no NaN."""
    n, n_candidates = subject.scores.shape
    return f"one number for each of {n} × {n_candidates} candidates, no NaN"


def reports_its_fit(subject: Subject) -> str:
    """Check that the fit report can be stored as JSON."""
    report = fit_report(subject.spec.method, subject.entry, subject.recommender)
    n_stated = sum(bool(value) for value in report.to_json().values())
    return f"the run record can hold its report ({n_stated} fields)"


def says_why_training_ended(subject: Subject) -> str:
    """Check that training on the toy data converged; a training without validation cannot state that."""
    try:
        ended = fit_report(subject.spec.method, subject.entry, subject.recommender).ended
    except BenchError as refusal:
        raise NotChecked("there is no report to read") from refusal
    takes_steps = subject.first_fit.n_steps > 0
    if ended == "unknown" or (ended is None and takes_steps):
        what = "it takes optimizer steps" if takes_steps else "it trains"
        raise Doubtful(
            f"{what} and reports no validation curve, so that tables mark it with ↗; "
            "bench.learning.stepwise trains until validation stops rising, and its log has the report"
        )
    if ended is None:
        return "it reports no training"
    return f"when training on the toy data ended, {IN_WORDS[ended]} ({ended})"


def states_its_cold_rule(subject: Subject) -> str:
    """Check that the recommender states how it scores items that are not in the training data."""
    if not subject.entry.cold_rule:
        raise Broken("@register states no cold_rule: by what is an item scored that was never trained on?")
    return subject.entry.cold_rule


def leaves_its_inputs(subject: Subject) -> str:
    """Check that the recommender has not changed the data it was given, by making the same data again."""
    given, untouched = subject.world, subject.new_world("untouched")
    for what, one, other in (
        ("training part", given.task.target, untouched.task.target),
        ("validation queries", given.task.validation, untouched.task.validation),
        ("test queries", given.queries, untouched.queries),
    ):
        if _contents(one) != _contents(other):
            raise Broken(f"the {what} are not as they were: it writes into arrays that it was given; copy them first")
    return "the arrays that it was given are as they were"


def follows_the_candidates(subject: Subject) -> str:
    """Check that scores do not depend on the order of the candidates."""
    queries = subject.world.queries
    columns = np.broadcast_to(np.arange(queries.candidates.shape[1]), queries.candidates.shape)
    order = np.random.default_rng(1).permuted(columns, axis=1)
    permuted = replace(queries, candidates=np.take_along_axis(queries.candidates, order, axis=1))
    expected = np.take_along_axis(subject.scores, order, axis=1)
    _require_same(subject.scored(subject.recommender, permuted), expected, "scores change with the candidates' order")
    return "permuting the candidates permutes their scores"


def scores_each_query_alone(subject: Subject) -> str:
    """Check that scores do not depend on the other queries, by scoring every second query in reverse order."""
    if subject.entry.transductive:
        raise NotChecked("it adapts to the queries that it is asked, and is marked as transductive")
    rows = np.arange(len(subject.world.queries))[::-2]
    found = subject.scored(subject.recommender, subject.world.queries.take(rows))
    _require_same(found, subject.scores[rows], "a query's scores depend on which other queries are asked")
    return "scores do not depend on the other queries"


def repeats_itself(subject: Subject) -> str:
    """Check that a second fit with an empty cache gives the same scores."""
    again = subject.fitted(subject.world.anew(subject.folder / "again")).recommender
    found = subject.scored(again, subject.world.queries)
    _require_same(found, subject.scores, "two fits with one seed score differently; draw from task.seed alone")
    return "a second fit with the same seed scores the same"


def reads_back_what_it_stored(subject: Subject) -> str:
    """Check that a second fit with the cache of the first gives the same scores."""
    again = subject.fitted(subject.world.task)
    found = subject.scored(again.recommender, subject.world.queries)
    _require_same(found, subject.scores, "what it reads back scores differently from what it stored")
    return f"a fit that finds the first one's artifacts scores the same (after {again.seconds:.1f} s)"


def learns(subject: Subject) -> str:
    """Check that results are above chance on data that can be learned from."""
    if subject.entry.family == "control" and not subject.entry.needs_titles:
        raise NotChecked("a control that reads no titles need not learn anyone's taste")
    found = ndcg_at_1(subject.scores, subject.world.positive_column)
    level = chance(NDCG_AT_1, subject.scores.shape[1])
    if found < LEARNED:
        raise Broken(
            f"NDCG@1 {found:.3f} where users stay in one topic, expected {LEARNED} or more (chance {level:.3f}); "
            "does it train long enough? Try other values with -p"
        )
    return f"NDCG@1 {found:.3f} where users stay in one topic (chance {level:.3f})"


def finds_nothing_where_nothing_is(subject: Subject) -> str:
    """Check that results are at chance level on random histories; anything better has seen the answers."""
    world = subject.new_world("shuffled", shuffled=True)
    found = ndcg_at_1(subject.scored(subject.fitted(world.task).recommender, world.queries), world.positive_column)
    highest = highest_by_chance(*world.queries.candidates.shape)
    if found > highest:
        raise Broken(f"NDCG@1 {found:.3f} on random histories, where chance gives {highest:.3f} at most")
    return f"NDCG@1 {found:.3f} on random histories (chance gives {highest:.3f} at most)"


def does_not_peek(subject: Subject) -> str:
    """Check that scores do not depend on the test answers, by fitting and scoring where these are others.

    The first fit is released before the second one.
    """
    queries, expected = subject.world.queries, subject.scores
    other = with_other_answers(subject.world, subject.folder / "other")
    subject.let_go()
    found = subject.scored(subject.fitted(other.task).recommender, queries)
    _require_same(found, expected, "scores change with the test answers, which it must not know")
    return f"with other answers to all {len(queries)} queries it scores the same"


CHECKS: Mapping[str, Callable[[Subject], str]] = {
    "fit": fits,
    "scores": scores_every_candidate,
    "report": reports_its_fit,
    "convergence": says_why_training_ended,
    "cold rule": states_its_cold_rule,
    "inputs": leaves_its_inputs,
    "candidate order": follows_the_candidates,
    "query alone": scores_each_query_alone,
    "same seed": repeats_itself,
    "same store": reads_back_what_it_stored,
    "learns": learns,
    "shuffled": finds_nothing_where_nothing_is,
    "no peeking": does_not_peek,  # the last one, for it lets go of what the others share
}
"""All checks by their name on the command line, in order."""
NEEDED_BY_ALL = ("fit", "scores")
"""Checks that all others depend on."""


def ndcg_at_1(scores: NDArray[np.floating], positive_column: NDArray[np.int64]) -> float:
    """Return the mean NDCG@1 of scores of shape (n, n_candidates)."""
    return float(per_user(rank_positive(scores, positive_column), NDCG_AT_1, scores.shape[1]).mean())


def highest_by_chance(n_queries: int, n_candidates: int = N_CANDIDATES) -> float:
    """Return the NDCG@1 that random scores exceed with probability :data:`FALSE_ALARM`, by the binomial tail."""
    from scipy.stats import binom

    return float(binom.isf(FALSE_ALARM, n_queries, chance(NDCG_AT_1, n_candidates)) / n_queries)


def _require_same(found: NDArray[np.floating], expected: NDArray[np.floating], broken: str) -> None:
    """Raise Broken unless the scores are equal up to rounding; infinite ones must be in the same places."""
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite]):
        raise Broken(broken)
    spread = float(np.std(expected[finite], dtype=np.float64)) if finite.any() else 0.0
    largest = float(np.max(np.abs(found[finite] - expected[finite]), initial=0.0))
    if largest > TOLERANCE * (spread or 1.0):
        raise Broken(f"{broken} (by up to {largest:.2g}; their standard deviation is {spread:.2g})")


def _contents(thing: Any) -> str:
    return content_hash(*(value for value in vars(thing).values() if isinstance(value, np.ndarray)))
