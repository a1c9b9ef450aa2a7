"""The precision inside float32 matrix products, which torch holds as a setting of the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gtp.config import MatmulPrecision
from gtp.errors import UserError

TORCH_NAMES: dict[MatmulPrecision, str] = {"float32": "highest", "tf32": "high", "bfloat16": "medium"}
NEEDS = {
    "tf32": "an NVIDIA GPU of compute capability 8.0 or above",
    "bfloat16": "a CPU with instructions for it (AVX512-BF16 or AMX)",
}
TOO_FINE = {"tf32": 1.0 + 2.0**-12, "bfloat16": 1.0 + 2.0**-9}
"""Numbers that float32 holds and the precision, of 10 and 7 bits after the point, rounds to 1."""
PROBE = 128
"""Size of a product that is tried: libraries leave small ones to other kernels."""


@contextmanager
def products_in(precision: MatmulPrecision) -> Iterator[None]:
    """Take float32 matrix products in a precision, accumulated in float32; put the setting back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(TORCH_NAMES[precision])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def require_precision(precision: MatmulPrecision, device: torch.device) -> None:
    """Try a product. Raises UserError where it is not taken in the precision, of which torch says nothing."""
    if precision == "float32":
        return
    factor = torch.full((PROBE, PROBE), TOO_FINE[precision], device=device)
    with products_in(precision):
        product = factor @ torch.eye(PROBE, device=device)
    if bool((product != 1.0).any()):
        raise UserError(
            f"matmul_precision {precision} needs {NEEDS[precision]}, and this {device.type} does not multiply"
            " in it: choose float32, or another device"
        )
