"""The example of docs/methods.md: a new method is one new file and one entry, and it stands in the tables."""

import re

import pytest

from .conftest import ROOT


def example(language: str) -> str:
    """The one block of a language in docs/methods.md."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/methods.md").read_text(), re.DOTALL)
    return block


@pytest.mark.slow
def test_a_new_method_is_one_file_and_one_entry(checkout):
    (checkout.folder / "gtp/algorithms/l1_bc.py").write_text(example("python"))
    with open(checkout.folder / "config/methods.yaml", "a") as methods:
        methods.write("\n" + example("yaml"))
    smaller = ['methods=["gaussian_bc","l1_bc"]', 'tasks=["pointmaze-umaze"]']
    study = ["--configfile", "config/smoke.yaml", "--config", *smaller]
    tables = [f"paper_tables/smoke/{name}.md" for name in ("cloning", "cost")]
    result = checkout.snakemake("--cores", "2", *tables, "figures/smoke/learning_curves.png", *study)
    assert result.returncode == 0, result.stdout[-5000:]
    for table in tables:
        assert "Median cloning" in (checkout.folder / table).read_text()
    assert "scale" in checkout.run("python", "-m", "gtp", "train", "l1_bc", "--help").stdout
