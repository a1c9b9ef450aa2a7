"""How time and memory grow with transitions, seeds in a process, and tasks of a study.

    python -m tests.growth.run --record docs/growth.md

Each size is a process of its own (tests.growth.cases); one runs at a time, on one thread. Above a constant,
costs are fitted as a power of the size. How planning grows with the grid: tests.cluster.planning.
"""

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from gtp.files import require_files, write_text
from gtp.progress import say
from gtp.studies.provenance import describe_cpus
from tests.growth.fit import exponent

ROOT = Path(__file__).parents[2]
SIZES = {
    "transitions": (100_000, 316_000, 1_000_000, 3_160_000, 10_000_000),
    "seeds": (1, 2, 4, 8, 16),
    "tasks": (1, 2, 4, 8, 15),
}
TITLES = {
    "transitions": "Transitions of a dataset (17 observations, 6 actions; IQL, hidden 128, batch 128)",
    "seeds": "Seeds in one process (GTP compiled, hidden 128, batch 128)",
    "tasks": "Tasks of a study (23 methods, 3 seeds)",
}


@dataclass(frozen=True)
class Growth:
    """What was measured of one cause: its sizes, and for each quantity the costs at them."""

    cause: str
    sizes: tuple[int, ...]
    costs: Mapping[str, tuple[float, ...]]


def measure(cause: str) -> Growth:
    """The costs at each size, measured one after the other."""
    found = []
    for size in SIZES[cause]:
        command = [sys.executable, "-m", "tests.growth.cases", cause, str(size)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        say(f"{size:,} {cause}: {written(found[-1])}")
    return Growth(cause, SIZES[cause], {name: tuple(each[name] for each in found) for name in found[0]})


def written(costs: Mapping[str, float]) -> str:
    """Costs of one size in a line."""
    return ", ".join(f"{name} {cost_in_words(name, cost)}" for name, cost in costs.items())


def cost_in_words(name: str, cost: float) -> str:
    """`1.2 s`, `3.4 ms` or `567 MB`."""
    if name == "memory":
        return f"{cost:,.0f} MB"
    return f"{cost:.3g} s" if cost >= 0.1 else f"{1000 * cost:.3g} ms"


def table(growth: Growth) -> str:
    """One cause in Markdown: a row for each quantity."""
    heads = [f"{size:,}" for size in growth.sizes]
    text = f"| {growth.cause} | {' | '.join(heads)} | exponent | constant |\n|{'---|' * (len(heads) + 3)}\n"
    for name, costs in growth.costs.items():
        power, base = exponent(growth.sizes, costs)
        cells = [*(cost_in_words(name, cost) for cost in costs), f"{power:.2f}", cost_in_words(name, base)]
        text += f"| {name} | {' | '.join(cells)} |\n"
    return text


def draw(measured: list[Growth], path: Path) -> None:
    """A panel for each cause: costs in units of those at the smallest size, beside the size itself."""
    with matplotlib.rc_context({"svg.hashsalt": "growth", "font.size": 8}):
        figure = Figure(figsize=(9, 3), layout="constrained")
        for axes, growth in zip(figure.subplots(1, len(measured)), measured, strict=True):
            relative = [size / growth.sizes[0] for size in growth.sizes]
            axes.plot(growth.sizes, relative, color="0.7", linewidth=4, label="as the size")
            for name, costs in growth.costs.items():
                line = "--" if name == "memory" else "-"
                axes.plot(growth.sizes, [c / costs[0] for c in costs], line, marker="o", ms=3, label=name)
            axes.set(xscale="log", yscale="log", xlabel=growth.cause)
            axes.legend(frameon=False)
        figure.axes[0].set_ylabel("cost in units of that of the smallest size")
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def page_of(measured: list[Growth], drawing: str) -> str:
    """The record: tables, figure, machine, command and date."""
    sections = "".join(f"## {TITLES[growth.cause]}\n\n{table(growth)}\n" for growth in measured)
    return f"""# How costs grow

Seconds are of the processor, on one thread and without imports; memory is the largest that the process held,
imports included. Fitted: cost = constant + c · size^exponent, by least squares of relative errors. An
exponent of 1 is growth as the work, one below is work that is shared. How the time to plan grows with tasks,
methods and jobs stands in [cluster.md](cluster.md#planning).

![Costs against sizes, each in units of that at the smallest size]({drawing})

{sections}{describe_cpus()}, {datetime.date.today().isoformat()}.

    python -m tests.growth.run --record docs/growth.md
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=tuple(SIZES), default=tuple(SIZES), help="these alone")
    parser.add_argument("--record", type=Path, help="write the page there, and the figure beside it")
    options = parser.parse_args()
    require_files(options.record)
    measured = [measure(cause) for cause in options.only]
    for growth in measured:
        print(table(growth))
    if options.record is not None:
        drawing = options.record.with_suffix(".svg")
        draw(measured, drawing)
        write_text(options.record, page_of(measured, drawing.name))


if __name__ == "__main__":
    main()
