"""Ways to break a line that cosmic-ray has not: what mathematics on tensors and its checks can lose.

Cosmic-ray's own operators exchange operators, numbers and conditions. Most mistakes in code as ours leave
something out instead: a clamp, a detach, the seed of a reset, a check.
"""

from collections.abc import Iterator

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Keyword
from parso.tree import NodeOrLeaf

Position = tuple[tuple[int, int], tuple[int, int]]
SMALL = ("expr_stmt", "atom_expr", "raise_stmt", "del_stmt")


class RemoveMethodCall(Operator):
    """`x.clamp(min=0.0)` becomes `x`: the value goes on as it was before the call."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for name, arguments in self._calls(node):
            yield name.start_pos, arguments.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        name, arguments = list(self._calls(node))[index]
        node.children = [child for child in node.children if child not in (name, arguments)]
        return node

    @staticmethod
    def _calls(node: NodeOrLeaf) -> Iterator[tuple[NodeOrLeaf, NodeOrLeaf]]:
        """The `.name` and the `(...)` of every method call in a chain, but for calls of super()."""
        if node.type != "atom_expr" or node.get_code(include_prefix=False).startswith("super()"):
            return
        for name, arguments in zip(node.children[1:], node.children[2:], strict=False):
            signs = [each.children[0].value for each in (name, arguments) if each.type == "trailer"]
            if signs == [".", "("]:
                yield name, arguments

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("y = x.exp().clamp(max=1.0)", "y = x.clamp(max=1.0)"),
            Example("y = x.exp().clamp(max=1.0)", "y = x.exp()", occurrence=1),
        )


class RemoveKeywordArgument(Operator):
    """`f(x, seed=3)` becomes `f(x)`: the default takes over."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for argument in self._arguments(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        argument = list(self._arguments(node))[index]
        (inside,) = node.children[1:-1]
        if inside is argument:
            node.children = [node.children[0], node.children[-1]]
            return node
        at = inside.children.index(argument)
        # With the comma behind it, or the one before it where it is the last.
        inside.children = (
            inside.children[: max(at - 1, 0) if at + 1 == len(inside.children) else at]
            + (inside.children[at + 2 :])
        )
        return node

    @staticmethod
    def _arguments(node: NodeOrLeaf) -> Iterator[NodeOrLeaf]:
        """The `name=value` of a call."""
        if node.type != "trailer" or node.children[0].value != "(" or len(node.children) != 3:
            return
        inside = node.children[1]
        for each in inside.children if inside.type == "arglist" else [inside]:
            if each.type == "argument" and each.children[1] == "=":
                yield each

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("f(x, seed=3)", "f(x)"),
            Example("f(seed=3)", "f()"),
            Example("f(dim=0, keepdim=True)", "f( keepdim=True)"),
        )


class RemoveStatement(Operator):
    """A call for its effect, `x += y`, `x[i] = y`, `raise` or `del` becomes `pass`."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if self._removable(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)

    @staticmethod
    def _removable(node: NodeOrLeaf) -> bool:
        if node.type not in SMALL or node.parent is None or node.parent.type not in ("simple_stmt", "suite"):
            return False
        if node.type != "expr_stmt":
            return True
        first, second = node.children[:2]
        # A name that is bound and then missing is an error that every test sees.
        return (second.type == "operator" and second.value != "=") or first.type == "atom_expr"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("if x < 1:\n    raise ValueError(x)\n", "if x < 1:\n    pass\n"),
            Example("total += 1\n", "pass\n"),
            Example("noise.clear()\n", "pass\n"),
        )


OWN = (RemoveMethodCall, RemoveKeywordArgument, RemoveStatement)
