"""How fast a cost grows with the size of its cause."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

POWERS = np.arange(0.01, 2.51, 0.01)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Least squares of relative errors for costs = base + c sizes^e, base and c not negative: e and base.

    The exponent of costs that do not grow is 0.
    """
    causes, effects = np.array(sizes, float) / max(sizes), np.array(costs, float)
    best = (np.inf, 0.0, 0.0)
    for power in POWERS:
        columns = np.stack([np.ones(len(causes)), causes**power], axis=1)
        (base, slope), error = nnls(columns / effects[:, None], np.ones(len(causes)))
        best = min(best, (error, float(power) if slope else 0.0, float(base)))
    return best[1], best[2]
