"""pyproject.toml, requirements.lock and environment.yml must describe one environment."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CUDA_BUILD = ("nvidia-", "cuda-", "triton")  # torch pins these itself, and only where it needs them


def read_lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def direct_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    requirements = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in requirements if requirement.name != "gtp"]


def conda_pip_pins() -> dict[str, str]:
    sections = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pins = next(section["pip"] for section in sections if isinstance(section, dict))
    return dict(pin.split("==") for pin in pins)


def test_lock_holds_exact_public_versions_only():
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line), line


@pytest.mark.parametrize("requirement", direct_requirements(), ids=str)
def test_lock_satisfies_pyproject(requirement):
    assert requirement.specifier.contains(read_lock()[canonicalize_name(requirement.name)])


def test_conda_environment_pins_the_direct_dependencies_at_the_locked_versions():
    lock = read_lock()
    names = {canonicalize_name(requirement.name) for requirement in direct_requirements()}
    assert conda_pip_pins() == {name: lock[name] for name in names}


def test_conda_environment_has_the_python_of_the_lock():
    header = (ROOT / "requirements.lock").read_text().splitlines()[0]
    version = re.search(r"Python (3\.\d+)", header)[1]
    assert f"python={version}" in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def test_lock_holds_every_transitive_dependency():
    """Walks what the installed packages say they need, so a forgotten pin shows."""
    lock, seen, waiting = read_lock(), set(), direct_requirements()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen or name.startswith(CUDA_BUILD):
            continue
        assert name in lock, f"{name} is needed and not locked; run `make lock`"
        seen.add((name, *sorted(requirement.extras)))
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
