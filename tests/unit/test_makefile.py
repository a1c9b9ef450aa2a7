"""The Makefile where paths hold a space: every command is found, with the words it was given."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOL = '#!/bin/sh\nfor word in "$(basename "$0")" "$@"; do printf "[%s]" "$word"; done; echo\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the Makefile needs, in a folder with a space."""
    folder = tmp_path / "a b"
    shutil.copytree(REPOSITORY / "config", folder / "config")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


def write_environment(place: Path) -> None:
    """An environment whose tools print their words, installed after the lock was written."""
    (place / "bin").mkdir(parents=True)
    for name in ("python", "snakemake", "ruff", "snakefmt", "mypy"):
        (place / "bin" / name).write_text(TOOL)
        (place / "bin" / name).chmod(0o755)
    (place / ".gtp-installed").touch()


def call_make(checkout: Path, *words: str) -> subprocess.CompletedProcess:
    """A call as a user makes it: not as a part of the make that runs these tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    options = {"cwd": checkout, "capture_output": True, "text": True, "check": False}
    return subprocess.run(["make", *words], env=environment, **options)


def make(checkout: Path, *words: str) -> list[str]:
    """Lines that a call of make prints; it must succeed."""
    process = call_make(checkout, *words)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stderr == ""
    return process.stdout.splitlines()


COMMANDS = {
    "reproduce": [
        "[python][-m][gtp][estimate][--study][config/quick.yaml]",
        "[snakemake][--cores][all][--configfile][config/quick.yaml]",
        "[snakemake][page][--cores][all][--configfile][config/quick.yaml][--quiet][all]",
        "[python][workflow/scripts/tell_study.py][results/quick]",
    ],
    "estimate": ["[python][-m][gtp][estimate][--study][config/quick.yaml]"],
    "compare": ["[python][-m][gtp][compare][--study][results/quick]"],
    "report": ["[snakemake][page][--cores][all][--configfile][config/quick.yaml]"],
    "snakemake-report": ["[snakemake][--configfile][config/quick.yaml][--report][report.html]"],
    "adopt-reference": [
        "[python][workflow/scripts/adopt_reference.py][config/quick.yaml]",
        "[snakemake][reference][--cores][all]",
    ],
    "bench": ["[python][-m][gtp][bench][--device][cpu]"],
    "bench-peers": ["[python][-m][tests.peers.run][--peers][peers][--threads][1]"],
    "test": [
        "[python][-m][pytest][-n][2][--dist][loadfile][--no-loadscope-reorder][--max-worker-restart][0]",
    ],
    "faults": [
        "[python][-m][tests.faults.kills][--record][docs/faults.md]",
        "[python][-m][tests.faults.damaged_files][--record][docs/faults.md]",
    ],
    "test-cluster": ["[python][-m][tests.cluster.scenarios]"],
    "mutants": ["[python][-m][tests.mutants.run][--size][320][--record][docs/mutants.md]"],
    "lint": [
        "[ruff][check][.]",
        "[ruff][format][--check][.]",
        "[snakefmt][--check][Snakefile][workflow]",
        "[mypy][--no-error-summary]",
    ],
}


@pytest.mark.parametrize("where", ["beside it", "elsewhere"])
@pytest.mark.parametrize(("target", "lines"), COMMANDS.items(), ids=COMMANDS)
def test_targets_work_where_the_path_holds_a_space(target, lines, where, checkout):
    place = checkout / ".venv" if where == "beside it" else checkout.parent / "my tools" / "env"
    write_environment(place)
    assert make(checkout, target, *([] if where == "beside it" else [f"VENV={place}"])) == lines


AUDITS = {  # exit code, stdout and stderr of pip-audit; the same of make
    "nothing known": ((0, "", "No known vulnerabilities found"), (0, "No known vulnerabilities found", "")),
    "something known": (
        (1, "requests 2.0 CVE-1", "Found 1 known vulnerability in 1 package"),
        (2, "requests 2.0 CVE-1", "Found 1 known vulnerability in 1 package"),
    ),
    "skipped": (
        (1, "", "ERROR:pip_audit._cli:numpy: Dependency not found on PyPI and could not be audited"),
        (
            2,
            "",
            "not audited: numpy: Dependency not found on PyPI and could not be audited; it takes pypi.org",
        ),
    ),
    "no internet": (
        (1, "", "Traceback (most recent call last):\n  ...\nConnectionError: no route to host"),
        (2, "", "not audited: ConnectionError: no route to host; it takes pypi.org"),
    ),
}


@pytest.mark.parametrize(("tool", "made"), AUDITS.values(), ids=AUDITS)
def test_an_audit_ends_in_one_line_and_never_passes_what_it_did_not_see(tool, made, checkout):
    (checkout / ".venv-audit/bin").mkdir(parents=True)
    audit = checkout / ".venv-audit/bin/pip-audit"
    code, out, error = tool
    audit.write_text(f"#!/bin/sh\nprintf '%s' '{out}'\nprintf '%s\\n' '{error}' >&2\nexit {code}\n")
    audit.chmod(0o755)
    process = call_make(checkout, "audit")
    code, out, error = made
    said = [line for line in process.stderr.splitlines() if not line.startswith("make: ")]
    assert (process.returncode, process.stdout.strip()) == (code, out)
    assert len(said) == int(bool(error))
    assert all(line.startswith(error) for line in said)


def test_an_old_environment_is_brought_up_to_date_in_its_place(checkout):
    place = checkout.parent / "my tools" / "env"
    write_environment(place)
    os.utime(place / ".gtp-installed", (0, 0))
    lines = make(checkout, "environment", f"VENV={place}")
    assert lines[0].startswith(f"Installing requirements.lock into {place}")
    assert [line.startswith("[python][-m][pip][install]") for line in lines[1:]] == [True, True]
    assert (place / ".gtp-installed").stat().st_mtime > 0
    assert {path.name for path in checkout.iterdir()} == {
        "Makefile",
        "config",
        "pyproject.toml",
        "requirements.lock",
    }
