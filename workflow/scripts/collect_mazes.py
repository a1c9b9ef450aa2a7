"""Write the cells of every maze task with its start and goal, for the figures that draw mazes."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from gtp.config import TaskSpec
from gtp.envs.mazes import layout_of
from gtp.files import write_text

COLUMNS = ["study", "task", "row", "col", "x", "y", "kind"]


def maze_rows(task: TaskSpec) -> list[list]:
    """One row per cell: task, row, col, centre x and y in the simulator's units, wall|free|start|goal."""
    special = {tuple(task.start_cell): "start", tuple(task.goal_cell): "goal"}
    return [
        [
            task.name,
            cell.row,
            cell.col,
            f"{cell.x:g}",
            f"{cell.y:g}",
            "wall" if cell.is_wall else special.get((cell.row, cell.col), "free"),
        ]
        for cell in layout_of(task.environment).cells(task.maze)
    ]


def collect(study: str, tasks: Iterable[TaskSpec], output: Path) -> None:
    """Write the mazes of `tasks` as one CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task in tasks:
        writer.writerows([study, *row] for row in maze_rows(task))
    write_text(output, buffer.getvalue())


if __name__ == "__main__":
    tasks = [TaskSpec(**fields) for fields in snakemake.params.tasks]
    collect(snakemake.params.study, tasks, snakemake.output[0])
