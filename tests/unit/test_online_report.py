"""The figure and the table of online methods, from numbers that are known."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from gtp.errors import UserError
from gtp.report.online import read_record, read_returns
from gtp.report.record import OnlineRecord
from gtp.report.style import save_figure
from gtp.schema import OnlineEpisode, write_rows
from workflow.scripts import online_figure, online_table

RECORD = OnlineRecord(
    environments=("A-v0", "B-v0"),
    seeds=(0, 1, 2),
    steps=1000,
    episodes=2,
    labels={"mbdpo": "MBDPO", "sac": "SAC"},
)
WAYS = {"mbdpo": {"search": 10.0, "prior": 4.0}, "sac": {"actor": 7.0}}


def rows(record: OnlineRecord = RECORD) -> list[OnlineEpisode]:
    """Returns that grow with the step; seeds and episodes lie evenly around them."""
    return [
        OnlineEpisode(environment, method, seed, step, way, episode, value, 200, "ok")
        for environment in record.environments
        for method in record.labels
        for way, height in WAYS[method].items()
        for seed in record.seeds
        for step in (0, 500, 1000)
        for episode in (0, 1)
        for value in [step / 1000 * height + (seed - 1) + (episode - 0.5)]
    ]


def returns(tmp_path, found=None, record=RECORD):
    write_rows(tmp_path / "online.csv", OnlineEpisode, rows() if found is None else found)
    return read_returns(str(tmp_path / "online.csv"), record)


def test_the_table_has_means_intervals_and_paired_differences(tmp_path):
    table, numbers = online_table.online_table(returns(tmp_path), RECORD)
    assert [row.label for row in table.rows] == ["A-v0", "MBDPO", "SAC", "B-v0", "MBDPO", "SAC"]
    # Student's t over the seeds' means 9, 10 and 11 has the half-width 4.303 / sqrt(3).
    assert [cell.text for cell in table.rows[1].cells] == [
        "10.0 ± 2.5",
        "4.0 ± 2.5",
        "6.0 ± 0.0",
        "4.5 ± 0.0",
    ]
    assert [cell.text for cell in table.rows[2].cells] == ["7.0 ± 2.5", "–", "–", "–"]
    final = numbers[(numbers["method"] == "mbdpo") & (numbers["quantity"] == "search")].iloc[0]
    assert (final["estimate"], final["seeds"]) == (10.0, 3)
    assert final["high"] - final["estimate"] == pytest.approx(4.3027 / np.sqrt(3), rel=1e-3)


def test_the_figure_shows_seeds_and_means_of_every_method(tmp_path):
    figure = online_figure.draw(returns(tmp_path), RECORD)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        # Search, its prior and SAC: three seeds and a mean each.
        assert len(axes.lines) == 3 * 4
        means = [line for line in axes.lines if line.get_linewidth() > 1]
        assert [line.get_ydata()[-1] for line in means] == pytest.approx([10.0, 4.0, 7.0])
        assert means[0].get_xdata().tolist() == [0.0, 0.5, 1.0]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["MBDPO", "MBDPO, prior alone", "SAC"]
    for name in ("a.png", "b.png"):
        save_figure(online_figure.draw(returns(tmp_path), RECORD), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_seed_that_diverged_is_left_out_of_the_mean(tmp_path):
    found = rows()
    gone = [r for r in found if (r.seed, r.method, r.step, r.episode) == (2, "mbdpo", 1000, 0)]
    kept = [r for r in found if (r.seed, r.method, r.step) != (2, "mbdpo", 1000)]
    bad = [replace(r, episode=-1, episode_return=None, length=None, status="diverged@7") for r in gone]
    table, _ = online_table.online_table(returns(tmp_path, kept + bad), RECORD)
    assert table.rows[1].cells[0].text.startswith("9.5 ± ")


def test_a_seed_that_lacks_is_named(tmp_path):
    with pytest.raises(UserError, match="lacks seed 2 of sac in B-v0"):
        returns(tmp_path, [r for r in rows() if (r.environment, r.method, r.seed) != ("B-v0", "sac", 2)])


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(asdict(RECORD)))
    assert read_record(path) == RECORD
    path.write_text("{}")
    with pytest.raises(UserError, match="lacks the key 'environments'"):
        read_record(path)
