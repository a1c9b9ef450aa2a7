"""Every measure of the ledger by the name that workflow/claims.yaml calls it."""

from dataclasses import dataclass

from gtp.report.ledger.measure import Measure, Missing, Part
from gtp.report.ledger.mixtures import GapOrder, MapDistance
from gtp.report.ledger.rates import GoalsReached, SolvedTasks
from gtp.report.ledger.results import Results, Untestable
from gtp.report.ledger.returns import ReturnDifference
from gtp.report.ledger.scores import BestTrial, LateChange, NfeDifference, ScoreDifference, SizeSteps
from gtp.report.ledger.times import ActionTime, UpdateTime


@dataclass(frozen=True, kw_only=True)
class Unmeasured(Measure):
    """What no table of this artifact holds: the claim stands in the ledger, and says so."""

    needs: str
    """What would have to be there, in a phrase."""
    unit: str = "points"  # type: ignore[misc]

    def in_words(self) -> str:
        return f"nothing yet: it needs {self.needs}"

    def parts(self, results: Results) -> list[Part | Missing]:
        raise Untestable(f"no {self.needs}")


MEASURES: dict[str, type[Measure]] = {
    "score_difference": ScoreDifference,
    "nfe_difference": NfeDifference,
    "size_steps": SizeSteps,
    "best_trial": BestTrial,
    "late_change": LateChange,
    "solved_tasks": SolvedTasks,
    "goals_reached": GoalsReached,
    "update_time": UpdateTime,
    "action_time": ActionTime,
    "return_difference": ReturnDifference,
    "gap_order": GapOrder,
    "map_distance": MapDistance,
    "unmeasured": Unmeasured,
}
