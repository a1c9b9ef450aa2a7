"""The study of known answers: config/oracle.yaml, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gtp.config import Execution, MixtureName, TrainConfig
from gtp.errors import UserError, suggest
from gtp.report.record import MappedMethod, OracleRecord
from gtp.studies.methods import Method
from gtp.studies.plan import Plan
from gtp.studies.reading import parse, read_mapping


@dataclass(frozen=True, kw_only=True)
class OracleStudy:
    """Which methods clone which mixtures, and the budget that all share."""

    mixtures: dict[MixtureName, str]
    """Name -> what figures and tables call it."""
    methods: tuple[str, ...]
    """Names from methods.yaml: GTP and its ablations."""
    seeds: tuple[int, ...]
    nfe: tuple[int, ...]
    """Numbers of function evaluations K."""
    train: TrainConfig
    samples: int
    """Draws behind each gap of Theorem 1."""
    execution: Execution
    """On the CPU; of its fields, `compile` and `threads` count."""

    def __post_init__(self):
        for name in ("mixtures", "methods", "seeds", "nfe"):
            values = list(getattr(self, name))
            if not values:
                raise ValueError(f"{name} must not be empty")
            if len(set(values)) != len(values):
                raise ValueError(f"{name} contains an entry twice")
        for name, least in (("seeds", 0), ("nfe", 1)):
            if min(getattr(self, name)) < least:
                raise ValueError(f"{name} must be at least {least}, got {min(getattr(self, name))}")
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, got {self.samples}")

    def options(self, mixture: str) -> dict[str, Any]:
        """Flags of `gtp oracle` for every method on a mixture, but for its output."""
        budget = {f"train.{name}": value for name, value in asdict(self.train).items()}
        execution = {"compile": self.execution.compile, "threads": self.execution.threads}
        return {"mixture": mixture, "nfe": self.nfe, "seeds": self.seeds, **execution, **budget}

    def theorem_options(self, mixture: str) -> dict[str, Any]:
        """Flags of `gtp theorem` on a mixture, but for its output."""
        threads = self.execution.threads
        return {"mixture": mixture, "seeds": self.seeds, "samples": self.samples, "threads": threads}


def load_oracle(path: Path, methods: Mapping[str, Method]) -> OracleStudy:
    """The study in a file. Raises UserError, one line, about the first thing that is wrong."""
    file = str(path)
    study = parse(OracleStudy, read_mapping(path), file)
    for name in study.methods:
        if name not in methods:
            raise UserError(f"{file}: methods: unknown method '{name}'; {suggest(name, methods)}")
        if methods[name].algorithm != "gtp":
            raise UserError(f"{file}: methods: '{name}' is no setting of gtp; leave it out")
    return study


def oracle_record(study: OracleStudy, plan: Plan) -> OracleRecord:
    """What figures and tables need to know beside the numbers."""
    methods, order = plan.methods, plan.places()
    return OracleRecord(
        mixtures=study.mixtures,  # type: ignore[arg-type]
        methods=tuple(
            MappedMethod(
                name=name,
                label=methods[name].label,
                order=order[name],
                ablation=methods[name].ablation_of is not None,
            )
            for name in study.methods
        ),
        seeds=study.seeds,
        nfe=study.nfe,
        steps=study.train.steps,
        samples=study.samples,
    )
