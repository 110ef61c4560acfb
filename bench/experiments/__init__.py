"""Experiments: which runs make up a table or figure, and at which scale they are run.

``experiment`` defines them, ``reader`` reads one from YAML. ``scale`` and ``scaling`` make it smaller, ``complete``
returns the run specifications of all its cells, and ``pack`` packs stored runs by experiment.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.experiments.complete import complete_experiment
    from bench.experiments.experiment import (
        Experiment,
        ExperimentCell,
        ExperimentDataset,
        ExperimentRow,
        FigureSpec,
        PublishedReference,
    )
    from bench.experiments.pack import pack_store
    from bench.experiments.reader import experiment_names, load_experiment, read_experiment
    from bench.experiments.scale import SCALES, Scale
    from bench.experiments.scaling import scaled
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "SCALES",
    "Experiment",
    "ExperimentCell",
    "ExperimentDataset",
    "ExperimentRow",
    "FigureSpec",
    "PublishedReference",
    "Scale",
    "complete_experiment",
    "experiment_names",
    "load_experiment",
    "pack_store",
    "read_experiment",
    "scaled",
]
