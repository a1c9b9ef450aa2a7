"""A pass of torch's compiler that computes what several losses of an update ask for only once.

Losses are written one by one, and IQL's for V and for the actor both evaluate the target critic at the same
actions. Eagerly that is done twice. PyTorch's compiler merges such duplicates where it differentiates a graph
itself; a graph of an update holds its gradients already, and is compiled as it is.
"""

from typing import Any

from torch import fx
from torch.utils import _pytree as pytree

from gtp.training.graph_pass import GraphPass


class MergeDuplicates(GraphPass):
    """Replaces each call by an earlier one of the same function with the same arguments: the same bits, once.

    For functional graphs, where no call changes what another one reads.
    """

    def __call__(self, graph: fx.Graph) -> None:
        first: dict[Any, fx.Node] = {}
        for node in graph.nodes:
            if node.op != "call_function" or node.is_impure():
                continue
            found = first.setdefault(identity(node), node)
            if found is not node:
                node.replace_all_uses_with(found)
                graph.erase_node(node)


def identity(node: fx.Node) -> tuple:
    """What two calls have in common to be one: function and arguments, of which 1 and 1.0 are two."""
    leaves, structure = pytree.tree_flatten((node.args, node.kwargs))
    told = (leaf if isinstance(leaf, fx.Node) else repr(leaf) for leaf in leaves)
    return node.target, structure, *told
