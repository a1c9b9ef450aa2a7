"""Evaluation episodes during an online run: equal starts at every evaluation and for every method."""

from dataclasses import dataclass

from gtp.acting import ActingRule
from gtp.config import TaskSpec
from gtp.evaluation.rollouts import Acting, Rollouts
from gtp.schema import OnlineEpisode


@dataclass(frozen=True)
class Examiner:
    """Environments of its own, and the names that its rows carry."""

    rollouts: Rollouts
    environment: str
    method: str

    @classmethod
    def of(cls, task: TaskSpec, episodes: int, method: str) -> "Examiner":
        """An examiner with an environment for each of an evaluation's episodes."""
        return cls(Rollouts(task, episodes), task.environment, method)

    def rows(self, policy: Acting, nfe: int, way: str) -> list[OnlineEpisode]:
        """One row per episode of a policy at K = nfe; a single one for a policy that diverged."""
        episodes, _ = self.rollouts.run(policy, nfe, ActingRule.parse("sample"))
        return [
            OnlineEpisode(
                self.environment,
                self.method,
                row.seed,
                row.step,
                way,
                row.episode,
                row.episode_return,
                row.length,
                row.status,
            )
            for row in episodes
        ]
