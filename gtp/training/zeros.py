"""A pass of torch's compiler that gives zeros of forward-mode derivatives numbers in memory.

The derivative of what does not depend on the input is a tensor of zeros without memory. Compiled code is
handed a null pointer for it, and reading that ends the process (PyTorch 2.13).
"""

import torch
from torch import fx

from gtp.training.graph_pass import GraphPass

aten = torch.ops.aten


class StoreZeros(GraphPass):
    """Replaces tensors of zeros without memory by ones that have it, of the same shape, dtype and device."""

    def __call__(self, graph: fx.Graph) -> None:
        for node in graph.find_nodes(op="call_function", target=aten._efficientzerotensor.default):
            value = node.meta["val"]
            kind = {"dtype": value.dtype, "device": value.device}
            with graph.inserting_before(node):
                stored = graph.call_function(aten.full.default, (list(value.shape), 0), kind)
            stored.meta = dict(node.meta)
            node.replace_all_uses_with(stored)
            graph.erase_node(node)
