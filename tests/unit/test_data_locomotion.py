import dataclasses

import numpy as np
import pytest

from gtp.data.generate import locomotion
from gtp.data.generate import recipe as recipe_module
from gtp.data.generate.behaviour.policy import load_policies
from gtp.data.generate.behaviour.robots import RUNNERS
from gtp.data.generate.locomotion import LocomotionRecipe
from gtp.data.sources.generate import generate_dataset
from gtp.data.store.card import write_card
from gtp.data.store.minari_store import dataset_folder
from gtp.errors import UserError

RECIPE = LocomotionRecipe(robot="hopper", tier="medium-expert", steps=300, horizon=20)


def record_all(recipe: LocomotionRecipe):
    environment = recipe.make_collector()
    chunks = recipe.chunks()
    return [
        episode for i, steps in enumerate(chunks) for episode in recipe.record(environment, i, steps)
    ], chunks


@pytest.mark.parametrize(
    "tier", ["random", "medium", "medium-replay", "medium-expert", "full-replay", "expert"]
)
def test_each_tier_has_exactly_its_steps_and_each_episode_one_end(tier):
    recipe = dataclasses.replace(RECIPE, tier=tier, horizon=50)
    episodes, chunks = record_all(recipe)
    assert sum(chunks) == sum(len(episode.rewards) for episode in episodes) == 300
    for episode in episodes:
        ends = episode.terminations | episode.truncations
        np.testing.assert_array_equal(np.flatnonzero(ends), [len(episode.rewards) - 1])
        assert len(episode.observations) == len(episode.rewards) + 1
        assert np.abs(episode.actions).max() <= 1


def test_falling_is_a_termination_and_the_horizon_is_not():
    episodes, _ = record_all(dataclasses.replace(RECIPE, tier="random", horizon=1000, steps=500))
    assert all(episode.terminations[-1] for episode in episodes[:-1])
    short, _ = record_all(dataclasses.replace(RECIPE, tier="expert", horizon=10))
    assert not any(episode.terminations.any() for episode in short)


def test_half_of_medium_expert_is_the_experts(monkeypatch):
    shipped = load_policies("hopper")
    acted = []

    class Spy:
        def __init__(self, policy, name):
            self.policy, self.name = policy, name

        def act(self, observation, rng, noise):
            acted.append(self.name)
            return self.policy.act(observation, rng, noise)

    spied = dataclasses.replace(
        shipped, policies=(Spy(shipped.medium, "medium"), Spy(shipped.expert, "expert")), medium_index=0
    )
    monkeypatch.setattr(locomotion, "load_policies", lambda robot: spied)
    record_all(dataclasses.replace(RECIPE, steps=300))
    assert acted == ["medium"] * 150 + ["expert"] * 150


def test_replay_takes_equal_shares_of_the_policies_in_the_order_of_training():
    count = len(load_policies("hopper").until_medium)
    recipe = dataclasses.replace(RECIPE, tier="medium-replay", steps=count * 40 + 5, horizon=100)
    shares = recipe.chunks()
    assert len(shares) == count
    assert set(shares) <= {40, 41}
    assert sum(shares) == recipe.steps
    assert [recipe.policy_of(i) for i in range(count)] == list(load_policies("hopper").until_medium)


def test_tiers_differ_as_their_names_say():
    def mean_return(tier):
        recipe = LocomotionRecipe(robot="hopper", tier=tier, steps=3000)
        return np.mean([episode.rewards.sum() for episode in record_all(recipe)[0][:-1]])

    returns = {tier: mean_return(tier) for tier in ("random", "medium", "expert")}
    assert returns["random"] < 100 < 800 < returns["medium"] < 2200 < returns["expert"]


@pytest.mark.parametrize("noise", [None, 0.0, 1.0])
def test_actions_spread_around_the_policys_output_by_the_share_of_its_noise(noise):
    recipe = LocomotionRecipe(robot="halfcheetah", tier="medium", steps=1000, noise=noise)
    (episode,), _ = record_all(recipe)
    medium = load_policies("halfcheetah").medium
    outputs = np.array([medium.act(observation) for observation in episode.observations[:-1]])
    # Both are clipped to the box, so that only actions well inside it show the whole noise.
    inside = (np.abs(outputs) < 0.3) & (np.abs(episode.actions) < 1)
    spread = [np.std((episode.actions - outputs)[inside[:, i], i]) for i in range(outputs.shape[1])] / np.exp(
        medium.log_std
    )
    share = RUNNERS["halfcheetah"].locomotion.noise if noise is None else noise
    np.testing.assert_allclose(spread, share, rtol=0.15)
    assert recipe.sources()["noise"] == share


def test_noisy_data_are_scored_like_the_others():
    noisy, shipped = (dataclasses.replace(RECIPE, noise=noise) for noise in (1.0, None))
    observation = np.zeros(11)
    first, second = (recipe.expert(np.random.default_rng(0))(observation) for recipe in (noisy, shipped))
    np.testing.assert_array_equal(first, second)
    expected = load_policies("hopper").expert.act(
        observation, np.random.default_rng(0), RUNNERS["hopper"].locomotion.noise
    )
    np.testing.assert_array_equal(first, expected)


@pytest.mark.parametrize("noise", [-0.1, 1.5])
def test_noise_is_a_share(noise):
    with pytest.raises(ValueError, match=f"noise.*got {noise}"):
        dataclasses.replace(RECIPE, noise=noise)


def test_data_of_the_first_version_are_made_anew(tmp_path, capsys):
    """Version 1 knew no `noise`: neither the field nor the entry of the sources is on its cards."""
    recipe = LocomotionRecipe(robot="hopper", tier="medium", steps=100)
    card = generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path)
    old = card | {"recipe": {k: v for k, v in card["recipe"].items() if k != "noise"} | {"version": 1}}
    old["recipe"]["sources"] = {"policies": card["recipe"]["sources"]["policies"]}
    write_card(dataset_folder("generated/a/b-v0", tmp_path), old)
    assert generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path)["recipe"] == card["recipe"]
    assert "version" in capsys.readouterr().err


def test_number_of_workers_does_not_change_a_byte(tmp_path):
    recipe = LocomotionRecipe(robot="hopper", tier="medium-replay", steps=1500)
    cards = [
        generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    ]
    assert cards[0]["sha256"] == cards[1]["sha256"]
    assert cards[0]["steps"] == 1500


def test_new_behaviour_policies_make_the_dataset_anew(tmp_path, monkeypatch, capsys):
    recipe = LocomotionRecipe(robot="hopper", tier="medium", steps=100)
    first = generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path)
    assert generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path) == first
    monkeypatch.setattr(recipe_module, "sha256_of", lambda path: "another file")
    again = generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path)
    assert "differs in sources): making the dataset again" in capsys.readouterr().err
    assert again["recipe"]["sources"] == {
        "policies": "another file",
        "noise": RUNNERS["hopper"].locomotion.noise,
    }
    with pytest.raises(UserError, match=r"differs in seed.*choose another id"):
        generate_dataset(dataclasses.replace(recipe, seed=1), dataset_id="generated/a/b-v0", root=tmp_path)


def test_random_data_need_no_policies():
    assert LocomotionRecipe(robot="walker2d", tier="random").sources() == {}
