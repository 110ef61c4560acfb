"""Train models of any kind: loops with early stopping, batches of sequences, losses and scores.

``epochs`` and ``stepwise`` train until validation stops improving, ``training`` has what both need, and ``convergence``
determines why a training ended. ``stored`` trains a model once and reads it back, under a key from ``keys``. ``params``
has the hyperparameters shared by all trained recommenders. ``sequences`` splits histories into batches, and
``interaction_graph`` builds the sparse matrix of users and the items they interacted with. ``cross_entropy``,
``entropy`` and ``dot_scores`` are functions of tensors.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.learning.convergence import ending
    from bench.learning.cross_entropy import linear_cross_entropy
    from bench.learning.dot_scores import all_dots, candidate_dots
    from bench.learning.entropy import softmax_entropy
    from bench.learning.epochs import Resumable, TrainingRecord, train_epochs, train_until_no_better
    from bench.learning.interaction_graph import Graph, touched, untouched
    from bench.learning.keys import training_key
    from bench.learning.params import TrainingParams
    from bench.learning.sequences import (
        NegativeSampler,
        Sequences,
        bucketed_batches,
        last_stretches,
        ordered_batches,
        prefixes,
        random_batches,
        windows,
    )
    from bench.learning.stored import trained_once
    from bench.learning.training import (
        clip_gradients,
        descend,
        schedule_step_size,
        seeded,
        state_copy,
        stopping_score,
        validation_sample,
    )
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Graph",
    "NegativeSampler",
    "Resumable",
    "Sequences",
    "TrainingParams",
    "TrainingRecord",
    "all_dots",
    "bucketed_batches",
    "candidate_dots",
    "clip_gradients",
    "descend",
    "ending",
    "last_stretches",
    "linear_cross_entropy",
    "ordered_batches",
    "prefixes",
    "random_batches",
    "schedule_step_size",
    "seeded",
    "softmax_entropy",
    "state_copy",
    "stopping_score",
    "touched",
    "train_epochs",
    "train_until_no_better",
    "trained_once",
    "training_key",
    "untouched",
    "validation_sample",
    "windows",
]
