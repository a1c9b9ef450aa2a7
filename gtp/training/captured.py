"""A function as a CUDA graph: launched as a whole, without Python between its kernels."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the capture: they compile, and let libraries allocate their workspaces outside of it."""


class Captured:
    """`function(*inputs)` on tensors of fixed shapes; a call returns what the next one overwrites.

    Of the tensors in `state`, which the function may change, the calls that warm up leave no trace.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        inputs: Sequence[Tensor],
        state: Mapping[str, Tensor] | None = None,
    ):
        self._function = function  # what it closes over has to live as long as the graph
        self._inputs = [value.clone() for value in inputs]
        state = state or {}
        before = {name: tensor.clone() for name, tensor in state.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = function(*self._inputs)
        for name, tensor in state.items():
            tensor.copy_(before[name])

    def __call__(self, *inputs: Tensor) -> Tensor:
        for own, value in zip(self._inputs, inputs, strict=True):
            own.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._output
