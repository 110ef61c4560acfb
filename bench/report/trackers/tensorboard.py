"""Write a run as TensorBoard event files, in one directory per run."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report.trackers.tracked import TrackedRun

STEPS_PER_EPOCH = 100
"""TensorBoard's steps are integers; checks within an epoch are shown at hundredths of it."""


def log(run: TrackedRun, folder: Path) -> None:
    """Write ``folder/tensorboard/<name>-<id>``, replacing an earlier one of the same run."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    place = folder / "tensorboard" / f"{run.name}-{run.id}"
    shutil.rmtree(place, ignore_errors=True)
    writer = EventFileWriter(str(place))

    def scalar(name: str, value: float, step: int) -> None:
        writer.add_event(Event(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)])))

    try:
        writer.add_event(Event(summary=hparams_pb(_plain(run.params), trial_id=run.id)))
        writer.add_event(Event(summary=Summary(value=[_text("command", run.command)])))
        for name, points in run.series.items():
            is_fraction = any(not step.is_integer() for step, _ in points)
            for step, value in points:
                scalar(name, value, math.floor(step * STEPS_PER_EPOCH) if is_fraction else int(step))
        for name, value in run.metrics.items():
            scalar(f"test/{name}", value, 0)
    finally:
        writer.close()


def _text(name: str, text: str) -> Any:
    """Return a value that TensorBoard shows as text."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    metadata = create_summary_metadata(display_name=name, description="")
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    return Summary.Value(tag=name, metadata=metadata, tensor=tensor)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as numbers, truth values and texts, which are all that TensorBoard knows."""
    known = (bool, int, float, str)
    return {name: value if isinstance(value, known) else str(value) for name, value in params.items()}
