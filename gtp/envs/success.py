"""What info["success"] says, whoever wrote it."""

import numpy as np
from numpy.typing import ArrayLike


def succeeded(flags: ArrayLike) -> bool:
    """Whether any flag, of one step or of an episode's steps, says success: any shape, any type of number.

    NaN says nothing: recorders put it where a reset gave no flag, and bool() would take it for success.
    """
    return bool(np.nan_to_num(np.asarray(flags, dtype=np.float64)).any())
