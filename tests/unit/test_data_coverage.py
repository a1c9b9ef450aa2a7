import numpy as np
import pytest
from gymnasium import spaces

from gtp.data.summaries.coverage import Bin, coverage_rows
from gtp.envs.mazes import maze_cells
from gtp.errors import UserError


def test_positions_are_counted_in_squares(write_dataset):
    positions = np.array([[0.1, 0.1], [0.2, 0.0], [-0.1, 0.1], [0.1, 0.6]])
    source = write_dataset(
        {
            "observations": {"achieved_goal": positions},
            "actions": np.zeros((3, 1), np.float32),
            "rewards": np.zeros(3),
            "terminations": np.zeros(3, bool),
            "truncations": np.array([False, False, True]),
        },
        observation_space=spaces.Dict({"achieved_goal": spaces.Box(-9, 9, (2,), np.float64)}),
    )
    assert coverage_rows(*source, bins_per_cell=2) == [
        Bin(-0.25, 0.25, 1),
        Bin(0.25, 0.25, 2),
        Bin(0.25, 0.75, 1),
    ]


def test_generated_data_cover_the_free_cells_and_no_walls(generated):
    root, dataset_id, card = generated
    rows = coverage_rows(dataset_id, root)
    assert sum(row.count for row in rows) == card["steps"] + card["episodes"]
    cells = maze_cells("umaze")
    nearest = [min(cells, key=lambda c: abs(c.x - row.x) + abs(c.y - row.y)) for row in rows]
    assert not any(cell.is_wall for cell in nearest)
    assert len(set(nearest)) >= 6  # of the seven free cells


def test_data_without_positions_are_refused(write_dataset, tmp_path):
    episode = {
        "observations": np.zeros((2, 3)),
        "actions": np.zeros((1, 1), np.float32),
        "rewards": np.zeros(1),
        "terminations": np.zeros(1, bool),
        "truncations": np.ones(1, bool),
    }
    with pytest.raises(UserError, match="handmade/test-v0 has no observation 'achieved_goal'"):
        coverage_rows(*write_dataset(episode))
    with pytest.raises(UserError, match="is not in"):
        coverage_rows("generated/none-v0", tmp_path)
