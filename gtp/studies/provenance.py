"""The provenance of a finished study: commit, versions, machine, time and checksums."""

import csv
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.report.provenance import Provenance

PACKAGES = ("torch", "numpy", "gymnasium", "gymnasium-robotics", "mujoco", "minari", "snakemake")
CODE = ("gtp", "workflow", "config", "Snakefile")
"""What a commit must hold unchanged for it to be the code of a study."""


def provenance_of(
    study: str,
    tables: Iterable[Path],
    *,
    commit: str | None,
    minutes: float | None,
    configuration: Iterable[Path],
    datasets: Iterable[str] = (),
    packages: Iterable[str] = PACKAGES,
) -> Provenance:
    """Where the tables of a study, which lie in one folder, come from; `datasets` are Minari ids."""
    tables = list(tables)
    return Provenance(
        study=study,
        commit=commit,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        minutes=None if minutes is None else round(minutes, 1),
        machine=describe_machine(tables[0].parent),
        python=platform.python_version(),
        versions={name: importlib.metadata.version(name) for name in packages},
        configuration={str(path): sha256_of(path) for path in configuration},
        datasets={name: checksums(name) for name in datasets},
        tables={path.name: sha256_of(path) for path in tables},
    )


def committed() -> str:
    """The commit of the code. Raises UserError when there is none or tracked files differ from it."""
    changes = git("diff", "--name-only", "HEAD", "--", *CODE)
    if changes:
        raise UserError(f"commit {changes.splitlines()[0]} first: the reference names the code that made it")
    return git("rev-parse", "HEAD")


def commit_if_known() -> str | None:
    """The commit of the code, with a remark where files differ from it; None without git."""
    try:
        changed = git("diff", "--name-only", "HEAD", "--", *CODE)
        return git("rev-parse", "HEAD") + (" with changes" if changed else "")
    except (OSError, UserError):
        return None


def git(*arguments: str) -> str:
    """What git prints. Raises UserError when it fails."""
    result = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        raise UserError(
            f"git {arguments[0]} failed: {result.stderr.strip().splitlines()[-1]}; use a git clone"
        )
    return result.stdout.strip()


def minutes_of_sessions(path: Path) -> float:
    """Wall-clock minutes of all calls of snakemake for a study, from the record that the workflow keeps."""
    if not path.exists():
        raise UserError(f"{path} is missing, so the time that the study took is not known; run it again")
    with open(path, newline="", encoding="utf-8") as file:
        return sum(float(row["minutes"]) for row in csv.DictReader(file))


VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
"""Flag in /proc/cpuinfo -> the vector instructions that it means, the widest first."""


def describe_cpus(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Number and model of the CPUs, and their widest vectors: sums of another order are rounded otherwise."""
    found = {}
    if cpuinfo.exists():
        pairs = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
        found = {key.strip(): value.strip() for key, _, value in pairs}
    model = found.get("model name") or platform.processor() or platform.machine()
    flags = found.get("flags", "").split()
    vectors = [name for flag, name in VECTORS.items() if flag in flags][:1]
    return f"{os.cpu_count()} CPUs ({', '.join([model, *vectors])})"


def describe_machine(results: Path) -> str:
    """The CPUs, and the GPU if the runs below `results` used one."""
    runs = [json.loads(path.read_text()) for path in results.glob("runs/**/run.json")]
    devices = {run.get("device_name", "cpu") for run in runs}
    return ", ".join([describe_cpus(), *sorted(devices - {"cpu"})])


def checksums(dataset_id: str) -> dict[str, str]:
    """SHA-256 of a dataset's files, from its card."""
    return json.loads((Path("resources/minari") / dataset_id / "card.json").read_text())["sha256"]
