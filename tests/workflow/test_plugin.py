"""A new method is one new file and one entry: nothing else is touched, and it stands in the tables."""

TOY = '''"""Regression on the dataset's actions."""

from dataclasses import dataclass
from typing import ClassVar

from gtp.algorithm import Algorithm, Update
from gtp.networks import DeterministicActor


@dataclass(frozen=True, kw_only=True)
class Toy(Algorithm):
    generative: ClassVar[bool] = False
    acting: ClassVar[tuple[str, ...]] = ("actor_ema",)
    scale: float = 1.0
    averaged = ("actor",)

    def networks(self, sizes):
        return {"actor": DeterministicActor(sizes)}

    def draws(self, batch_size, action_size):
        return {}

    def updates(self):
        return (Update("actor", self.actor_loss),)

    def actor_loss(self, networks, batch, draws, progress):
        return self.scale * (networks["actor"](batch.obs) - batch.act).square().mean(), {}

    def act(self, networks, obs, noise, nfe):
        return networks["actor_ema"](obs)


ALGORITHM = Toy
'''
ENTRY = """
toy:
  algorithm: toy
  set: {scale: 2.0}
  label: Toy regression
  group: cloning
"""


def test_a_new_method_is_one_file_and_one_entry(checkout):
    (checkout.folder / "gtp/algorithms/toy.py").write_text(TOY)
    with open(checkout.folder / "config/methods.yaml", "a") as methods:
        methods.write(ENTRY)
    smaller = ['methods=["gaussian_bc","toy"]', 'tasks=["pointmaze-umaze"]']
    study = ["--configfile", "config/smoke.yaml", "--config", *smaller]
    tables = [f"paper_tables/smoke/{name}.md" for name in ("cloning", "cost")]
    result = checkout.snakemake("--cores", "2", *tables, "figures/smoke/learning_curves.png", *study)
    assert result.returncode == 0, result.stdout[-5000:]
    for table in tables:
        assert "Toy regression" in (checkout.folder / table).read_text()
    assert "scale" in checkout.run("python", "-m", "gtp", "train", "toy", "--help").stdout
