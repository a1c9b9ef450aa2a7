import json

import pytest

from gtp.cli.main import main
from gtp.data.generate import calibration
from gtp.data.generate.behaviour.policy import load_policies
from gtp.data.generate.behaviour.robots import RUNNERS
from gtp.data.generate.calibration import Gain, matching_factor, measure_gains


def rows(gains: dict[float, float]) -> list[Gain]:
    return [Gain("hopper", factor, 0.0, 0.0, 0.0, 0.0, gain) for factor, gain in gains.items()]


def test_factor_is_where_the_gain_first_falls_to_the_wanted_one():
    measured = {0.0: 1.0, 1.0: 1.5, 0.5: 1.3, 0.25: 1.1, 0.1: 1.3, 0.05: 1.1}
    assert matching_factor(rows(measured), 1.2) == pytest.approx(0.375)
    assert matching_factor(rows(measured), 1.1) == pytest.approx(0.25)
    assert matching_factor(rows(measured), 1.6) is None


def test_gain_is_of_returns_above_a_random_policys():
    first, second = measure_gains("hopper", episodes=3, factors=(1.0,))
    assert (first.factor, first.gain) == (0.0, 1.0)
    assert first.mean > second.mean
    lowest = first.mean - second.gain * (first.mean - second.mean) / (second.gain - 1)
    assert 0 < lowest < 40  # what the gain says of the random policy, which falls after about 20 steps
    assert [first, second] == list(measure_gains("hopper", episodes=3, factors=(1.0,)))


def test_robot_without_tiers_is_refused():
    with pytest.raises(ValueError, match="'ant'; choose hopper or"):
        next(measure_gains("ant"))


def test_verb_writes_the_gains_and_says_which_factor_matches(tmp_path, monkeypatch, capsys):
    measured = rows({0.0: 1.0, 1.0: 1.3})
    monkeypatch.setattr(calibration, "measure_gains", lambda robot, episodes: iter(measured))
    output = tmp_path / "gains.csv"
    monkeypatch.setattr(
        "sys.argv", ["gtp", "behaviour", "calibrate", "--robot", "hopper", "--output", str(output)]
    )
    main()
    assert output.read_text().splitlines()[0] == "robot,factor,mean,low,high,length,gain"
    share = (RUNNERS["hopper"].locomotion.d4rl_gain - 1) / 0.3
    assert (
        f"D4RL's gain without noise is 1.202: {share:.2f} of the noise gives the same"
        in capsys.readouterr().err
    )
    monkeypatch.setattr("sys.argv", ["gtp", "behaviour", "calibrate", "--robot", "hopper"])
    main()
    assert json.loads(capsys.readouterr().out.splitlines()[1])["gain"] == 1.3


def test_every_robot_has_a_share_and_a_gain_to_match():
    for name, robot in RUNNERS.items():
        assert 0 < robot.locomotion.noise < 1 < robot.locomotion.d4rl_gain
        assert load_policies(name).medium is not load_policies(name).expert
