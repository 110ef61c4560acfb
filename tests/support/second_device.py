"""A simulated second device without an accelerator, to test that tensors are moved to the right device.

A tensor on it wraps a CPU tensor, on which every operation is carried out, so values, gradients, random draws and
data-dependent shapes are those of the CPU. An operation over tensors of two devices fails, as on a real accelerator.
It is stricter in one respect: an accelerator accepts an index on the CPU and waits for its copy at each call; here the
index must have been moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.optim import optimizer
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

SECOND = "lazy"
"""Name of the device: torch knows it and computes its gradients in the caller's thread, but it never exists."""
MOVES = ("aten._to_copy", "aten.copy_")
"""Operations that accept tensors of several devices; by default, the result is on the device of the first one."""


class OnSecondDevice(Tensor):
    """A tensor that reports the second device as its device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnSecondDevice:
        """Put a CPU tensor on the device without a copy."""
        held = held.resolve_conj().resolve_neg()
        made: OnSecondDevice = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), held.stride(), held.storage_offset(), dtype=held.dtype, device=torch.device(SECOND, 0)
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carried_out(func, args, kwargs or {})

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """Return the wrapped tensor, so that a moved weight stays one object for all layers that share it."""
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(parts: dict[str, Tensor], _facts: None, _size: Any, _stride: Any) -> OnSecondDevice:
        """Wrap the tensor again."""
        return OnSecondDevice(parts["held"])

    def tolist(self) -> Any:
        """Return the values as Python numbers."""
        return self.held.tolist()

    def untyped_storage(self) -> Any:
        """Return the storage of the wrapped tensor."""
        return self.held.untyped_storage()

    @property
    def data(self) -> Any:
        """The values without gradient; they can be replaced by others on this device."""
        return Tensor.data.__get__(self)  # type: ignore[attr-defined]

    @data.setter
    def data(self, values: OnSecondDevice) -> None:
        Tensor.data.__set__(self, values)  # type: ignore[attr-defined]
        self.held = values.held


class Dispatch(TorchDispatchMode):
    """Sends every operation to :func:`carried_out`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carried_out(func, args, kwargs or {})


def carried_out(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Carry out an operation on the wrapped tensors.

    Raises:
        RuntimeError: its tensors are on two devices; a scalar on the CPU is allowed with any.
    """
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    is_there = [isinstance(value, OnSecondDevice) for value in tensors]
    moves, wanted = str(func).rpartition(".")[0] in MOVES, kwargs.get("device")
    elsewhere = any(tensor.dim() for tensor, there in zip(tensors, is_there, strict=True) if not there)
    if any(is_there) and elsewhere and not moves:
        raise RuntimeError(f"{func}: expected all tensors on one device, found '{SECOND}' and 'cpu'")
    goes_there = any(is_there[:1] if moves else is_there) if wanted is None else wanted.type == SECOND
    if wanted is not None and wanted.type == SECOND:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    held_args, held_kwargs = tree_map_only(OnSecondDevice, lambda value: value.held, (args, kwargs))
    made = func(*held_args, **held_kwargs)
    made = tree_map_only(Tensor, OnSecondDevice, made) if goes_there else made
    return return_and_correct_aliasing(func, args, kwargs, made)


@contextmanager
def second_device() -> Iterator[str]:
    """Let torch compute on the device inside the block, and yield its name."""
    with ExitStack() as stack:
        for (module, name), stand_in in _stand_ins().items():
            stack.enter_context(patch.object(module, name, stand_in))
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor then moves its values by a normal operation
        stack.callback(torch._C._set_only_lift_cpu_tensors, False)
        stack.enter_context(Dispatch())
        yield SECOND


def _stand_ins() -> dict[tuple[Any, str], Callable[..., Any]]:
    """Return the replacements of torch functions that take the name of a device."""
    as_array, autocast, autocasts = torch.asarray, torch.autocast, torch.is_autocast_enabled
    generator = torch.Generator
    fused = optimizer._get_fused_kernels_supported_devices

    def known(kind: str) -> str:
        return "cpu" if kind == SECOND else kind

    def read(*args: Any, **kwargs: Any) -> Tensor:
        with _disable_current_modes():
            return as_array(*args, **kwargs)

    return {
        (torch, "asarray"): read,  # used by safetensors to read files
        (torch, "autocast"): lambda kind, **kwargs: autocast(known(kind), **kwargs),
        (torch, "is_autocast_enabled"): lambda kind: autocasts(known(kind)),
        (torch, "Generator"): lambda device="cpu": generator(known(torch.device(device).type)),
        (checkpoint, "_infer_device_type"): lambda *_: "cpu",
        (optimizer, "_get_fused_kernels_supported_devices"): lambda: [*fused(), SECOND],
    }


@contextmanager
def noted_copies() -> Iterator[tuple[list[torch.dtype], list[str]]]:
    """Yield the dtypes that are copied to the device inside the block, and the operations that wait for its values."""
    there: list[torch.dtype] = []
    back: list[str] = []
    ordinary, as_list = carried_out, OnSecondDevice.tolist

    def noting(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        made = ordinary(func, args, kwargs)
        is_there = [
            isinstance(value, OnSecondDevice) for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)
        ]
        name = str(func).rpartition(".")[0]
        if name == "aten._local_scalar_dense" and any(is_there):
            back.append(name)
        if name in MOVES and isinstance(made, Tensor) and made.dim():
            if isinstance(made, OnSecondDevice) and not all(is_there):
                there.append(made.dtype)
            if not isinstance(made, OnSecondDevice) and any(is_there):
                back.append(name)
        return made

    def listed(tensor: OnSecondDevice) -> Any:
        back.append("tolist")
        return as_list(tensor)

    with patch(f"{__name__}.carried_out", noting), patch.object(OnSecondDevice, "tolist", listed):
        yield there, back
