"""Measure the cost, course of training, popularity bias and stability of stored runs.

``efficiency``, ``training``, ``popularity`` and ``stability`` each measure one of these, and ``summary`` all of them.
``rescore`` scores a run again with candidates in another order or with another prompt; ``repeated_answers`` stores the
results.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.diagnose.efficiency import Efficiency
    from bench.diagnose.popularity import PopularityBias, by_popularity, popularity_bias
    from bench.diagnose.repeated_answers import AskedAgain
    from bench.diagnose.rescore import Rescorer, rescorer
    from bench.diagnose.stability import Stability
    from bench.diagnose.summary import Diagnosis, across_seeds, diagnose_run
    from bench.diagnose.training import TrainingCourse, training_courses
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "AskedAgain",
    "Diagnosis",
    "Efficiency",
    "PopularityBias",
    "Rescorer",
    "Stability",
    "TrainingCourse",
    "across_seeds",
    "by_popularity",
    "diagnose_run",
    "popularity_bias",
    "rescorer",
    "training_courses",
]
