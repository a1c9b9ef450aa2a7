"""The shell commands of the workflow's rules: nothing that comes from outside reaches the shell unquoted."""

import re
from pathlib import Path

import pytest

RULES = sorted((Path(__file__).parents[2] / "workflow/rules").glob("*.smk"))


def shell_commands(text: str) -> list[str]:
    """The strings below each `shell:`, up to the next line that is no string."""
    blocks = re.findall(r"^ +shell:\n((?: +[\"'].*\n)+)", text, re.MULTILINE)
    assert len(blocks) == text.count("shell:")
    return blocks


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_field_of_a_command_is_quoted(path):
    for command in shell_commands(path.read_text()):
        fields = set(re.findall(r"\{([^}]+)\}", command))
        assert fields
        assert {field for field in fields if not field.endswith(":q")} <= {"threads"}, command


def test_there_are_commands_to_look_at():
    assert sum(len(shell_commands(path.read_text())) for path in RULES) >= 12
