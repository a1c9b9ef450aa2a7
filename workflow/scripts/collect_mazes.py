"""Write the cells of every maze task with its start and goal, for the figures that draw mazes."""

from collections.abc import Iterable
from pathlib import Path

from gtp.config import TaskSpec
from gtp.envs.mazes import layout_of
from gtp.files import write_csv
from gtp.schema import TABLES, MazeCell, column_values


def maze_cells(task: TaskSpec) -> list[MazeCell]:
    """Every cell of a task's maze."""
    special = {tuple(task.start_cell): "start", tuple(task.goal_cell): "goal"}
    return [
        MazeCell(
            cell.row,
            cell.col,
            cell.x,
            cell.y,
            "wall" if cell.is_wall else special.get((cell.row, cell.col), "free"),
        )
        for cell in layout_of(task.environment).cells(task.maze)
    ]


def collect(study: str, tasks: Iterable[TaskSpec], output: Path) -> None:
    """Write the mazes of `tasks` as one CSV."""
    rows = [[study, task.name, *column_values(cell)] for task in tasks for cell in maze_cells(task)]
    write_csv(output, TABLES["mazes"].columns, rows)


if __name__ == "__main__":
    tasks = [TaskSpec(**fields) for fields in snakemake.params.tasks]
    collect(snakemake.params.study, tasks, snakemake.output[0])
