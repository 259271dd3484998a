"""A device that exists in imagination only: operations have shapes there, and nothing has values.

What a GPU could only do by waiting (reading a value, shapes that depend on values) or by a copy
from the host (an index or a tensor made of Python numbers) raises here. CUDA graphs refuse the
same. PyTorch's CPU build cannot imagine CUDA itself; this is the device type that it leaves to
others.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "privateuseone"
MOVES = ("aten::_to_copy", "aten::copy_")


class HostTouched(AssertionError):
    """Something was copied between the host and the device."""


@contextmanager
def imagined() -> Iterator[torch.device]:
    """Tensors made inside are imagined, on the device that it gives or on the host."""
    _register()
    with FakeTensorMode():
        yield torch.device(NAME, 0)


@cache
def _register() -> None:
    _setup_privateuseone_for_python_backend()


def like(real: Tensor, device: torch.device) -> Tensor:
    """A tensor of this shape on the imagined device."""
    return torch.empty(real.shape, dtype=real.dtype, device=device)


def move(model: nn.Module, device: torch.device) -> None:
    """Have all that a real model holds be on the imagined device."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            module._parameters[name] = nn.Parameter(like(parameter, device), requires_grad=False)
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = like(buffer, device)


class NoHost(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, nothing is copied from the host to the device or back."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.name().split(".")[0] in MOVES:
            leaves = tree_leaves((args, result))
            devices = {leaf.device.type for leaf in leaves if isinstance(leaf, Tensor)}
            if len(devices) > 1:
                raise HostTouched(f"{func} between {', '.join(sorted(devices))}")
        return result
