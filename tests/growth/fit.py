"""How fast a cost grows with the size of its cause."""

from collections.abc import Sequence

import numpy as np

POWERS = np.arange(0.0, 2.51, 0.01)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Least squares of relative errors for costs = base + c sizes^e: e, and a base that is not negative."""
    causes, effects = np.array(sizes, float) / max(sizes), np.array(costs, float)
    best = (np.inf, 0.0, 0.0)
    for power in POWERS:
        columns = np.stack([np.ones(len(causes)), causes**power], axis=1)
        for kept in (columns, columns * [0.0, 1.0]):
            solution, *_ = np.linalg.lstsq(kept / effects[:, None], np.ones(len(causes)), rcond=None)
            if solution[0] >= 0:
                error = float(np.square(kept @ solution / effects - 1).sum())
                best = min(best, (error, float(power), float(solution[0])))
    return best[1], best[2]
