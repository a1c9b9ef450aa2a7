"""Tuning: a method's trials, their scores, and the best score to expect of some number of them."""

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from gtp.errors import UserError
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import REMEDY
from gtp.report.statistics import Estimate, SeedScores, average_estimate


def expected_best(scores: ArrayLike) -> np.ndarray:
    """Expected maximum of k of n scores, for k = 1 to n, over all subsets of k, which are equally likely.

    Shapes: scores (n,) -> (n,). The i-th smallest is the maximum of C(i - 1, k - 1) of the C(n, k) subsets.
    Source: Jackson et al., 2025 (Unifloral), who draw the subsets at random.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    chances = [[comb(i, k - 1) / comb(n, k) for i in range(n)] for k in range(1, n + 1)]
    return np.array(chances) @ ordered


def tuned_methods(study: StudyRecord, file: str) -> dict[MethodRecord, list[MethodRecord]]:
    """Each method that is tuned -> its trials, in the study's order.

    The method is the record of its first trial under its own name and label. Raises UserError naming `file`,
    the study's record, when a method is no trial.
    """
    trials: dict[str, list[MethodRecord]] = {}
    for method in study.methods:
        if method.trial_of is None or method.settings is None:
            raise UserError(f"{file}: {method.name} is no trial of a method; {REMEDY}")
        trials.setdefault(method.trial_of, []).append(method)
    return {_tuned(name, several[0]): several for name, several in trials.items()}


def _tuned(name: str, trial: MethodRecord) -> MethodRecord:
    """The method of which a trial is one."""
    return replace(
        trial, name=name, label=trial.label.rpartition(", trial ")[0], trial_of=None, settings=None
    )


def number_of(trial: MethodRecord) -> int:
    """Place of a trial in the trials file, from 0; a study may leave some out."""
    return int(trial.name.rpartition("-trial_")[2])


def trial_score(
    scores: SeedScores, study: StudyRecord, trial: MethodRecord, tasks: Sequence[TaskRecord], rule: str
) -> Estimate:
    """Mean over tasks of a trial's mean score over seeds by an acting rule, at the headline K."""
    nfe = study.headline(trial)
    return average_estimate([scores.of(task.name, trial.name, nfe, rule) for task in tasks])
