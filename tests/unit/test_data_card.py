"""Dataset cards: what was written comes back, and a changed or mistyped one is one line."""

import json

import pytest

from gtp.data.store.card import read_card, verify_card, write_card
from gtp.errors import UserError

CARD = {
    "dataset_id": "a/b-v0",
    "recipe": {"name": "minari", "version": 1},
    "sha256": {"data/main_data.hdf5": "0" * 64},
    "episodes": 2,
    "steps": 100,
    "episode_return": {"mean": 1, "std": 0.5, "min": 0.0, "max": 2.0},
    "action_range": [[-1.0], [1.0]],
    "success": None,
}


def test_card_comes_back_with_its_checksum(tmp_path):
    write_card(tmp_path, dict(CARD))
    card = read_card(tmp_path)
    assert {name: card[name] for name in CARD} == CARD
    assert len(card["card_sha256"]) == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episodes": 3}, "it has changed since it was written"),
        ({"recipe": {"name": "minari", "version": 2}}, "it has changed since it was written"),
        ({"surplus": 1}, "it has changed since it was written"),
        ({"episodes": "2"}, "episodes is '2' where a whole number is expected"),
        ({"sha256": {}}, "sha256 has no checksums"),
        ({"sha256": {"data/a": "x"}}, "sha256 has no checksums"),
        ({"sha256": ["a"]}, "where a list or mapping is expected"),
        ({"recipe": 3}, "where a list or mapping is expected"),
        ({"dataset_id": None}, "dataset_id is None where text is expected"),
        ({"action_range": [["a"]]}, "where a finite number is expected"),
    ],
)
def test_card_that_was_changed_is_one_line(change, message, tmp_path):
    write_card(tmp_path, dict(CARD))
    path = tmp_path / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match="is not a dataset card") as error:
        read_card(tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\udcff"])
def test_card_that_is_none_is_one_line(text, tmp_path):
    (tmp_path / "card.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"card.json (cannot be read as|is not) a dataset card"):
        verify_card(tmp_path)


def test_card_of_an_earlier_version_has_no_checksum(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    assert read_card(tmp_path) == CARD
