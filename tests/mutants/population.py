"""Which mutants there are: every place of the sources where an operator applies, and a sample of them."""

import ast
import random
import re
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.tree import NodeOrLeaf

from tests.mutants.operators import OWN

ROOT = Path(__file__).parents[2]
CHOSEN = re.compile(
    "ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Div|Mod_Mul|Pow_Mul)"
    "|ReplaceComparisonOperator_(Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt)"
    "|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)"
    "|ReplaceUnaryOperator_Delete_.*|ReplaceTrueWithFalse|ReplaceFalseWithTrue|ReplaceAndWithOr|ReplaceOrWithAnd"
    "|AddNot|NumberReplacer|ZeroIterationForLoop|ReplaceBreakWithContinue|ReplaceContinueWithBreak"
)
"""Of cosmic-ray's operators, those that make a mistake that somebody could make.

Exchanging `+` for each of eleven others drowns the rest in mutants that nothing survives; a decorator that is
missing is an error, or nothing at all (abstractmethod, inference_mode)."""


GUARDS = {"device", "strict", "frozen", "kw_only", "repr", "missing_ok", "exist_ok"}
"""Arguments that change nothing as long as all is well and there is no GPU: they are left alone."""


@cache
def operators() -> dict[str, Operator]:
    """The operators by name: cosmic-ray's that are chosen, and our own."""
    provider = OperatorProvider()
    found = {name: provider[name]() for name in provider if CHOSEN.fullmatch(name)}
    return found | {each.__name__: each() for each in OWN}


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Mutant:
    """A source file with one change."""

    file: str
    """Path below the repository."""
    operator: str
    occurrence: int
    """Which of the places where the operator applies, counted through the file."""
    line: int

    @cached_property
    def source(self) -> str:
        """The whole file, changed."""
        return mutate_code(text_of(self.file), operators()[self.operator], self.occurrence)

    @property
    def is_sound(self) -> bool:
        """Whether it is Python, and means something else than the original."""
        try:
            return ast.dump(ast.parse(self.source)) != ast.dump(ast.parse(text_of(self.file)))
        except SyntaxError:
            return False

    @cached_property
    def difference(self) -> tuple[str, str]:
        """The lines that the change took away and those that stand there instead, each side on one line."""
        before, after = text_of(self.file).splitlines(), self.source.splitlines()
        while before and after and before[0] == after[0]:
            before, after = before[1:], after[1:]
        while before and after and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
        first, second = (" ".join(line.strip() for line in side) for side in (before, after))
        return first, second

    @property
    def key(self) -> str:
        """A name that stays as long as the file does."""
        return sha256(f"{self.file}\n{self.source}".encode()).hexdigest()[:16]


def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a source file but for its guards; a few of them may not be sound."""
    nodes = list(ast_nodes(get_ast(text_of(file))))
    guarded = {leaf.start_pos for node in nodes if is_guard(node) for leaf in ast_nodes(node)}
    return [
        Mutant(file, name, occurrence, begin[0])
        for name, operator in operators().items()
        for occurrence, begin in enumerate(
            begin for node in nodes for begin, _ in operator.mutation_positions(node)
        )
        if begin not in guarded
    ]


def is_guard(node: NodeOrLeaf) -> bool:
    """Whether a node is an argument of GUARDS, with its value."""
    return node.type == "argument" and node.children[0].get_code().strip() in GUARDS


def sample(mutants: dict[str, list[Mutant]], size: int, seed: int) -> list[Mutant]:
    """About `size` of the files' mutants, of each in proportion to its own but at least one, in random order.

    A file's mutants are drawn by themselves, so that a change in one file leaves the others' as they were.
    """
    total, chosen = sum(map(len, mutants.values())), []
    for file, own in mutants.items():
        count = min(len(own), max(1, round(size * len(own) / total)))
        chosen += filter(lambda each: each.is_sound, random.Random(f"{seed} {file}").sample(own, count))
    random.Random(seed).shuffle(chosen)
    return chosen
