import dataclasses
import re
import shutil

import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces

from gtp.data import prepare
from gtp.data.batches import n_step_returns
from gtp.data.prepare import prepare_transitions, task_statistics
from gtp.data.store.build import describe_dataset
from gtp.data.store.card import data_files
from gtp.envs.mazes import goal_position
from gtp.errors import UserError
from gtp.files import sha256_of

MAZE_SPACE = spaces.Dict(
    {
        "observation": spaces.Box(-np.inf, np.inf, (4,), np.float64),
        "achieved_goal": spaces.Box(-np.inf, np.inf, (2,), np.float64),
        "desired_goal": spaces.Box(-np.inf, np.inf, (2,), np.float64),
    }
)
MAZE_ACTIONS = spaces.Box(-1, 1, (2,), np.float32)


def box_episode(steps: int = 3, **changes) -> dict:
    """An episode of a task without a maze: observation t is (t, t, t), action t is t / 2, reward t is t."""
    count = np.arange(steps, dtype=np.float64)
    return {
        "observations": np.repeat(np.arange(steps + 1.0)[:, None], 3, axis=1),
        "actions": (count[:, None] / 2).astype(np.float32),
        "rewards": count,
        "terminations": np.zeros(steps, bool),
        "truncations": count == steps - 1,
        **changes,
    }


def maze_episode(inside: str, task) -> dict:
    """A maze episode whose state t is at the goal where inside[t] is 1, and elsewhere at x = 10 + 10 t."""
    steps = len(inside) - 1
    position = np.array(
        [goal_position(task) if c == "1" else (10.0 + 10 * t, 0) for t, c in enumerate(inside)]
    )
    return {
        "observations": {
            "observation": np.concatenate([position, np.zeros((steps + 1, 2))], axis=1),
            "achieved_goal": position,
            "desired_goal": np.zeros((steps + 1, 2)),
        },
        "actions": np.zeros((steps, 2), np.float32),
        "rewards": np.full(steps, 7.0),  # of some other goal
        "terminations": np.zeros(steps, bool),
        "truncations": np.arange(steps) == steps - 1,
    }


def test_next_observation_of_the_last_step_is_the_final_one(write_dataset, box_task):
    transitions = prepare_transitions(*write_dataset(box_episode(3), box_episode(2)), box_task)
    np.testing.assert_array_equal(transitions.observations[:, 0], [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(transitions.next_observations[:, 0], [1, 2, 3, 1, 2])
    np.testing.assert_array_equal(transitions.rewards, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(transitions.episode_starts, [0, 3])


def test_timeouts_are_not_terminations(write_dataset, box_task):
    terminal = box_episode(2, terminations=np.array([False, True]), truncations=np.zeros(2, bool))
    transitions = prepare_transitions(*write_dataset(box_episode(3), terminal), box_task)
    np.testing.assert_array_equal(transitions.terminations, [0, 0, 0, 0, 1])


def test_steps_after_a_termination_are_an_episode_of_their_own(write_dataset, box_task):
    source = write_dataset(box_episode(10, actions=np.zeros((10, 1)), terminations=np.arange(10) == 4))
    transitions = prepare_transitions(*source, box_task)
    np.testing.assert_array_equal(transitions.episode_starts, [0, 5])
    rewards, last, discount = n_step_returns(transitions, 5, 1.0)
    assert (rewards[2], last[2], discount[2]) == (2 + 3 + 4, 4, 0)
    assert (rewards[5], last[5], discount[5]) == (5 + 6 + 7 + 8 + 9, 9, 1)
    # Returns 10 and 35, so that rewards are multiplied by 1000 / 25.
    task = dataclasses.replace(box_task, reward_normalization="return_range")
    np.testing.assert_allclose(prepare_transitions(*source, task).rewards, 40.0 * np.arange(10))


def test_actions_are_scaled_and_the_box_is_kept(write_dataset, box_task):
    transitions = prepare_transitions(*write_dataset(box_episode(5)), box_task)
    np.testing.assert_allclose(transitions.actions[:, 0], [0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_array_equal(transitions.action_low, [-2])
    np.testing.assert_array_equal(transitions.action_high, [2])


def test_reward_transform_scales_the_shifted_reward(write_dataset, box_task):
    task = dataclasses.replace(box_task, reward_scale=4.0, reward_shift=-0.5)
    transitions = prepare_transitions(*write_dataset(box_episode(3)), task)
    np.testing.assert_allclose(transitions.rewards, [-2, 2, 6])


def test_return_range_spreads_the_returns_over_a_thousand(write_dataset, box_task):
    # Returns as recorded: 0 + 1 + 2 = 3 and 0 + 1 = 1, so that rewards are multiplied by 1000 / 2.
    task = dataclasses.replace(box_task, reward_normalization="return_range")
    source = write_dataset(box_episode(3), box_episode(2))
    transitions = prepare_transitions(*source, task)
    np.testing.assert_allclose(transitions.rewards, [0, 500, 1000, 0, 500])
    returns = np.add.reduceat(transitions.rewards, transitions.episode_starts)
    assert np.ptp(returns) == pytest.approx(1000)


def test_normalisation_comes_before_shift_and_scale(write_dataset, box_task):
    task = dataclasses.replace(
        box_task, reward_normalization="return_range", reward_scale=2.0, reward_shift=-1.0
    )
    rewards = [np.array([-4.0, 1.0]), np.array([5.0, 0.0])]  # returns -3 and 5: times 125, minus 1, times 2
    source = write_dataset(*(box_episode(2, rewards=each) for each in rewards))
    transitions = prepare_transitions(*source, task)
    np.testing.assert_allclose(transitions.rewards, [-1002, 248, 1248, -2])


@pytest.mark.parametrize("steps", [(3,), (3, 3)])  # one episode; two of the same return
def test_equal_returns_cannot_be_normalised(steps, write_dataset, box_task):
    task = dataclasses.replace(box_task, reward_normalization="return_range")
    source = write_dataset(*(box_episode(count) for count in steps))
    with pytest.raises(UserError, match=rf"has {len(steps)} episode\(s\), all of the same.*'none'") as caught:
        prepare_transitions(*source, task)
    assert "\n" not in str(caught.value)


def test_bad_normalisations_are_refused(box_task, maze_task):
    with pytest.raises(ValueError, match="reward_normalization.*'return_range'"):
        dataclasses.replace(box_task, reward_normalization="range")
    with pytest.raises(ValueError, match="reward_normalization"):
        dataclasses.replace(maze_task, reward_normalization="return_range")


def test_observations_are_normalised_over_the_kept_rows(write_dataset, box_task):
    transitions = prepare_transitions(*write_dataset(box_episode(3), box_episode(2)), box_task)
    np.testing.assert_allclose(transitions.observation_mean, [0.8] * 3, rtol=1e-6)
    np.testing.assert_allclose(transitions.observation_std, [np.std([0, 1, 2, 0, 1])] * 3, rtol=1e-6)


def test_digest_is_of_the_data_files(write_dataset, box_task):
    dataset_id, root = write_dataset(box_episode(3))
    transitions = prepare_transitions(dataset_id, root, box_task)
    assert transitions.dataset_digest == sha256_of(*data_files(root / dataset_id))
    assert (transitions.dataset_id, transitions.task) == (dataset_id, box_task)


@pytest.mark.parametrize(
    ("inside", "x", "rewards", "starts"),
    [
        ("0001100", [10, 20, 30, 60], [0, 0, 1, 0], [0, 3]),  # enters, stays, leaves
        ("0000", [10, 20, 30], [0, 0, 0], [0]),  # never there
        ("1100", [30], [0], [0]),  # begins there
        ("0001", [10, 20, 30], [0, 0, 1], [0]),  # ends there
        ("01010", [10, 30], [1, 1], [0, 1]),  # in and out
    ],
)
def test_maze_episodes_are_cut_at_the_goal(inside, x, rewards, starts, write_dataset, maze_task):
    # Behind the episode in question stands one that reaches the goal, without which a dataset is refused.
    episodes = [maze_episode(inside, maze_task), maze_episode("01", maze_task)]
    source = write_dataset(*episodes, observation_space=MAZE_SPACE, action_space=MAZE_ACTIONS)
    transitions = prepare_transitions(*source, maze_task)
    np.testing.assert_array_equal(transitions.observations[:, 0], [*x, 10])
    np.testing.assert_array_equal(transitions.rewards, [*rewards, 1])
    np.testing.assert_array_equal(transitions.terminations, transitions.rewards)
    np.testing.assert_array_equal(transitions.episode_starts, [*starts, len(x)])
    for row in np.flatnonzero(transitions.terminations):
        np.testing.assert_array_equal(transitions.next_observations[row, :2], goal_position(maze_task))


def test_maze_episodes_start_anew_after_one_that_is_dropped_whole(write_dataset, maze_task):
    episodes = [maze_episode(inside, maze_task) for inside in ("000", "111", "001")]
    source = write_dataset(*episodes, observation_space=MAZE_SPACE, action_space=MAZE_ACTIONS)
    transitions = prepare_transitions(*source, maze_task)
    np.testing.assert_array_equal(transitions.episode_starts, [0, 2])
    assert task_statistics(transitions) == {
        "transitions": 4,
        "episodes": 2,
        "terminated_episodes": 1,
        "terminated_share": 0.5,
    }


def test_labels_are_those_of_the_goal_beside_its_cells_centre(write_dataset, maze_task):
    # The centre of cell (1, 1) is (-1, 1), half a metre from a goal at (-0.6, 0.7).
    task = dataclasses.replace(maze_task, goal_offset=(0.4, -0.3), goal_radius=0.45)
    episode = maze_episode("0000", maze_task)
    positions = np.array([[0.0, 1.0], [-1.0, 1.0], [-0.6, 0.7], [0.0, 0.7]])
    episode["observations"]["achieved_goal"] = positions
    source = write_dataset(episode, observation_space=MAZE_SPACE, action_space=MAZE_ACTIONS)
    transitions = prepare_transitions(*source, task)
    assert transitions.rewards.tolist() == transitions.terminations.tolist() == [0, 1]
    centred = prepare_transitions(*source, maze_task)
    assert centred.rewards.tolist() == centred.terminations.tolist() == [1, 0]


def test_generated_data_hold_the_transitions_of_the_simulator(generated, maze_task):
    root, dataset_id, _ = generated
    transitions = prepare_transitions(dataset_id, root, maze_task)
    dataset = minari.MinariDataset(root / dataset_id / "data")
    first = dataset[0]
    np.testing.assert_array_equal(
        transitions.observations[:20], first.observations["observation"][:20].astype(np.float32)
    )
    np.testing.assert_array_equal(transitions.actions[:20], first.actions[:20])
    distance = np.linalg.norm(transitions.observations[:, :2] - goal_position(maze_task), axis=1)
    assert distance.min() > maze_task.goal_radius - 1e-6
    entering = transitions.terminations == 1
    assert 1 <= entering.sum() < len(transitions.episode_starts)
    reached = np.linalg.norm(transitions.next_observations[:, :2] - goal_position(maze_task), axis=1)
    np.testing.assert_array_equal(entering, reached <= maze_task.goal_radius)


def test_dict_observations_are_joined_in_the_order_of_the_keys(generated, maze_task):
    root, dataset_id, _ = generated
    task = dataclasses.replace(maze_task, observation_keys=("desired_goal", "observation"))
    joined, plain = (prepare_transitions(dataset_id, root, t) for t in (task, maze_task))
    assert joined.observations.shape[1] == 6
    np.testing.assert_array_equal(joined.observations[:, 2:], plain.observations)


BAD_EPISODES = {
    "NaN": (box_episode(3, observations=np.full((4, 3), np.nan)), "contains NaN"),
    "infinite reward": (box_episode(3, rewards=np.array([0, np.inf, 0])), "rewards contains NaN or inf"),
    "no final observation": (box_episode(3, observations=np.zeros((3, 3))), r"shape \(3, 3\) where \(4, 3\)"),
    "wide observations": (box_episode(3, observations=np.zeros((4, 5))), r"shape \(4, 5\)"),
    "missing action": (box_episode(3, actions=np.zeros((2, 1), np.float32)), r"actions has shape \(2, 1\)"),
    "missing flag": (box_episode(3, terminations=np.zeros(2, bool)), "terminations has shape"),
}


@pytest.mark.parametrize(("episode", "message"), BAD_EPISODES.values(), ids=BAD_EPISODES)
def test_unsound_episodes_are_refused(episode, message, write_dataset, box_task):
    with pytest.raises(
        UserError, match=rf"dataset handmade/test-v0.*{message}.*; use an intact copy"
    ) as caught:
        prepare_transitions(*write_dataset(box_episode(2), episode), box_task)
    assert "\n" not in str(caught.value)


def test_actions_outside_the_box_are_counted_and_clipped_where_the_task_says_so(
    write_dataset, box_task, capsys
):
    actions = np.array([[0.0], [2.1], [-3.0], [1.0]], np.float32)
    source = write_dataset(box_episode(4, actions=actions), box_episode(4))
    said = "2 of 8 entries of the actions (25 %) lie outside their box, the farthest -3 in dimension 0, which"
    said += " goes from -2 to 2"
    with pytest.raises(
        UserError, match=re.escape(f"dataset handmade/test-v0: {said}; set clip_actions")
    ) as e:
        prepare_transitions(*source, box_task)
    assert "declare the wider box" in str(e.value)
    assert "intact copy" not in str(e.value)
    capsys.readouterr()
    clipped = prepare_transitions(*source, dataclasses.replace(box_task, clip_actions=True))
    np.testing.assert_array_equal(clipped.actions[:4, 0], [0, 1, -1, 0.5])
    assert f"{said}; clipped to it" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.uint8])
def test_rewards_of_any_numbers_are_summed_without_overflow(dtype, write_dataset, box_task):
    rewards = np.full(600, 200, dtype)
    dataset_id, root = write_dataset(box_episode(600, actions=np.zeros((600, 1)), rewards=rewards))
    np.testing.assert_array_equal(prepare_transitions(dataset_id, root, box_task).rewards, 200)
    assert describe_dataset(dataset_id, root)["episode_return"]["mean"] == 120_000


@pytest.mark.parametrize("box", [spaces.Box(-np.inf, np.inf, (1,), np.float32), spaces.Discrete(3)])
def test_actions_without_a_finite_box_are_refused(box, write_dataset, box_task):
    with pytest.raises(UserError, match=r"handmade/test-v0 has .*actions"):
        prepare_transitions(*write_dataset(box_episode(2), action_space=box), box_task)


def test_dataset_without_episodes_is_refused(write_dataset, box_task):
    with pytest.raises(UserError, match=r"handmade/test-v0 .* has no episodes; record it"):
        prepare_transitions(*write_dataset(), box_task)


def test_missing_dataset_is_named_with_the_command_that_makes_it(tmp_path, box_task):
    with pytest.raises(
        UserError, match=r"generated/x-v0 is not in .*gtp dataset generate <recipe> --id generated/x-v0"
    ):
        prepare_transitions("generated/x-v0", tmp_path, box_task)
    with pytest.raises(UserError, match=r"MINARI_DATASETS_PATH=.* minari download D4RL/x-v2"):
        prepare_transitions("D4RL/x-v2", tmp_path, box_task)
    with pytest.raises(UserError, match="bad dataset id"):
        prepare_transitions("../x-v2", tmp_path, box_task)


@pytest.mark.parametrize("kept", [0, 500, -1000])
def test_truncated_dataset_is_refused(kept, write_dataset, box_task):
    dataset_id, root = write_dataset(*[box_episode(50)] * 3)
    path = root / dataset_id / "data" / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        UserError, match=r"handmade/test-v0 in .* is damaged .*; it may exist here alone"
    ) as caught:
        prepare_transitions(dataset_id, root, box_task)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "{'", '{"data_format": "hdf5"}'])
def test_garbled_metadata_are_refused(text, write_dataset, box_task):
    dataset_id, root = write_dataset(box_episode(3))
    (root / dataset_id / "data" / "metadata.json").write_text(text)
    with pytest.raises(UserError, match=r"handmade/test-v0 in .* is (damaged|refused)"):
        prepare_transitions(dataset_id, root, box_task)


def test_missing_entries_are_refused(write_dataset, box_task):
    dataset_id, root = write_dataset(box_episode(3), box_episode(3))
    with h5py.File(root / dataset_id / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/rewards"]
    with pytest.raises(UserError, match=r"handmade/test-v0 in .* is damaged .*rewards"):
        prepare_transitions(dataset_id, root, box_task)


def test_generated_data_that_changed_since_their_card_are_refused(generated, tmp_path, maze_task):
    root, dataset_id, _ = generated
    shutil.copytree(root, tmp_path / "minari")
    with h5py.File(tmp_path / "minari" / dataset_id / "data" / "main_data.hdf5", "a") as file:
        file["episode_0/rewards"][0] = 5.0
    with pytest.raises(UserError, match=r"main_data\.hdf5 has changed"):
        prepare_transitions(dataset_id, tmp_path / "minari", maze_task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observation_keys": ("observations",)}, "did you mean 'observation'"),
        ({"observation_keys": ()}, "name some in observation_keys"),
        ({"maze": "medium"}, "recorded in another maze than 'medium'"),
        ({"environment": "gtp/D4RLAntMaze-v0"}, "PointMaze_UMaze-v3, whose coordinates"),
        ({"action_repeat": 5}, "holds each action for 1 steps and the task for 5"),
        ({"goal_cell": (0, 0)}, "is a wall"),
    ],
)
def test_tasks_that_do_not_fit_the_data_are_refused(changes, message, generated, maze_task):
    root, dataset_id, _ = generated
    with pytest.raises(UserError, match=message):
        prepare_transitions(dataset_id, root, dataclasses.replace(maze_task, **changes))


def test_maze_task_needs_recorded_positions(write_dataset, maze_task):
    with pytest.raises(UserError, match="no observation 'achieved_goal'"):
        prepare_transitions(
            *write_dataset(box_episode(3)), dataclasses.replace(maze_task, observation_keys=())
        )


def test_data_that_never_leave_the_goal_are_refused(write_dataset, maze_task):
    source = write_dataset(
        maze_episode("111", maze_task), observation_space=MAZE_SPACE, action_space=MAZE_ACTIONS
    )
    with pytest.raises(UserError, match="never leaves the goal region"):
        prepare_transitions(*source, maze_task)


def test_dataset_larger_than_memory_is_refused(write_dataset, box_task, monkeypatch):
    def no_memory(*args):
        raise MemoryError

    source = write_dataset(box_episode(3))
    monkeypatch.setattr(prepare, "flatten_observations", no_memory)
    with pytest.raises(UserError, match="handmade/test-v0.*memory"):
        prepare_transitions(*source, box_task)


def test_data_that_never_reach_the_goal_are_refused(write_dataset, maze_task):
    source = write_dataset(
        maze_episode("000", maze_task), observation_space=MAZE_SPACE, action_space=MAZE_ACTIONS
    )
    with pytest.raises(UserError, match="never reaches the goal cell"):
        prepare_transitions(*source, maze_task)
