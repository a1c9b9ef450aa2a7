import pytest

from gtp.data.summaries.expectations import Expectations, share_of_cells, validate_dataset
from gtp.errors import UserError

SOUND = Expectations(
    success=(0.5, 1.0), episode_length=(200, 300), coverage=(0.8, 1.0), largest_action=(0.9, 1.0)
)


def test_sound_dataset_passes_and_tells_what_was_found(generated):
    root, dataset_id, card = generated
    found = validate_dataset(dataset_id, root, SOUND, "umaze")
    assert found == {
        "episode_length": 250,
        "success": card["success"],
        "coverage": 6 / 7,
        "largest_action": 1.0,
    }
    returns = card["episode_return"]
    span = Expectations(
        episode_return=(returns["mean"], returns["mean"]), best_return=(returns["max"], returns["max"])
    )
    assert validate_dataset(dataset_id, root, span) == {
        "episode_return": returns["mean"],
        "best_return": returns["max"],
    }


def test_every_broken_expectation_is_named_with_what_was_found(generated):
    root, dataset_id, _ = generated
    wrong = Expectations(episode_length=(600, 700), largest_action=(0.0, 0.5), success=(0.0, 1.0))
    with pytest.raises(UserError) as error:
        validate_dataset(dataset_id, root, wrong)
    assert "episode_length is 250, not in [600, 700]" in str(error.value)
    assert "largest_action is 1, not in [0, 0.5]" in str(error.value)
    assert "success" not in str(error.value)
    assert "\n" not in str(error.value)


def test_coverage_counts_the_cells_that_were_entered(generated):
    root, dataset_id, _ = generated
    assert share_of_cells(dataset_id, root, "umaze") == 6 / 7  # none of its four goals leads into the last
    # The U-Maze's positions lie in the middle of the larger map.
    assert 0 < share_of_cells(dataset_id, root, "medium") < 0.7


def test_coverage_without_a_maze_that_exists_is_refused(generated):
    root, dataset_id, _ = generated
    with pytest.raises(UserError, match="coverage.*remove the range"):
        validate_dataset(dataset_id, root, Expectations(coverage=(0.5, 1.0)))
    with pytest.raises(UserError, match="did you mean 'umaze'"):
        validate_dataset(dataset_id, root, Expectations(coverage=(0.5, 1.0)), "umase")


def test_damaged_dataset_is_no_sound_dataset(generated, tmp_path):
    with pytest.raises(UserError, match=r"card\.json is missing"):
        validate_dataset("generated/a/b-v0", tmp_path, SOUND)


def test_empty_range_is_refused():
    with pytest.raises(ValueError, match="success"):
        Expectations(success=(0.9, 0.1))
