"""The notebook of examples/ runs as it stands and says what it says there."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

FOLDER = Path(__file__).parents[2] / "examples"


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def printed(cell: dict) -> str:
    return "".join("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")


def test_notebook_loads_a_policy_and_draws_its_rollouts(monkeypatch, capsys):
    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr(plt, "show", lambda: None)
    names: dict = {}
    for cell in code_cells(FOLDER / "rollout.ipynb"):
        exec("".join(cell["source"]), names)
        said = capsys.readouterr().out
        # Another CPU rounds otherwise, so the counts may differ by an episode, but not the sentences.
        assert re.sub(r"\d+", "N", said) == re.sub(r"\d+", "N", printed(cell))
        for count in re.findall(r"(\d+) of 10 reach", said):
            assert int(count) >= 8
    assert len(plt.get_fignums()) == 2
    plt.close("all")


@pytest.mark.parametrize("card", sorted(FOLDER.glob("*.card.json")), ids=lambda path: path.name)
def test_cards_are_of_the_policies_beside_them(card):
    from gtp.policy import load_policy

    said = json.loads(card.read_text(encoding="utf-8"))
    policy = load_policy(card.with_name(card.name.replace(".card.json", ".safetensors")), said["seed"])
    assert (policy.label, policy.step, policy.task.name) == (
        said["label"],
        said["step"],
        said["task"]["name"],
    )
    assert said["score"]["mean"] > 0
    assert said["data"]["dataset_digest"]
