"""What an evaluation found, in a line for each K and rule: the mean score with its interval."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from scipy import stats

from gtp.config import DIVERGED_SCORE
from gtp.schema import Episode


def summary(rows: Iterable[Episode]) -> Iterator[str]:
    """Lines such as `step 2000, K = 2, sample: score 43.1 [40.2, 46.0], 95 % Student t over 3 seeds`.

    With one seed the interval is that over its episodes, which says nothing of other seeds. A seed that
    diverged counts as in the tables.
    """
    found: dict[tuple[int, int, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        score = DIVERGED_SCORE if row.status != "ok" else row.normalized_score
        assert score is not None  # a sound episode has one
        found[row.step, row.nfe, row.acting][row.seed].append(score)
    for (step, nfe, rule), seeds in found.items():
        only = next(iter(seeds.values()))
        values = [np.mean(scores) for scores in seeds.values()] if len(seeds) > 1 else only
        unit = f"{len(seeds)} seeds" if len(seeds) > 1 else f"{len(only)} episodes of one seed"
        yield f"step {step}, K = {nfe}, {rule}: {mean_and_interval(np.array(values), unit)}"


def mean_and_interval(values: np.ndarray, unit: str) -> str:
    """The mean with its 95 % interval, which a single value has not. Shapes: values (n,)."""
    mean = values.mean()
    if len(values) < 2:
        return f"score {mean:.1f}, without an interval, since there is one value"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"score {mean:.1f} [{mean - half:.1f}, {mean + half:.1f}], 95 % Student t over {unit}"
