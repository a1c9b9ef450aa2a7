"""The precision of training's matrix products, and whether a device multiplies in it.

TF32 is a setting of torch, of the process; what bfloat16 rounds is in `gtp.products`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gtp.config import MatmulPrecision
from gtp.errors import UserError

NEEDS = {
    "tf32": "an NVIDIA GPU of compute capability 8.0 or above",
    "bfloat16": "a CPU with AVX512-BF16 or AMX, or an NVIDIA GPU of compute capability 8.0 or above",
}
CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Names of what multiplies in bfloat16, among torch's capabilities of a CPU."""
TOO_FINE = 1.0 + 2.0**-12
"""A number that float32 holds and TF32, of 10 bits after the point, rounds to 1."""
PROBE = 128
"""Size of a product that is tried: libraries leave small ones to other kernels."""


@contextmanager
def products_in(precision: MatmulPrecision) -> Iterator[None]:
    """Take float32 matrix products in TF32, if that is the precision; put the setting back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def require_precision(precision: MatmulPrecision, device: torch.device) -> None:
    """Raises UserError where the device has no instructions for it: torch would fall back without a word."""
    if precision == "float32":
        return
    if not (rounds_to_tf32(device) if precision == "tf32" else multiplies_in_bfloat16(device)):
        raise UserError(
            f"matmul_precision {precision} needs {NEEDS[precision]}, and this {device.type} does not multiply"
            " in it: choose float32, or another device"
        )


def rounds_to_tf32(device: torch.device) -> bool:
    """Whether a float32 product is taken in TF32, if torch is asked for it. A product is tried."""
    factor = torch.full((PROBE, PROBE), TOO_FINE, device=device)
    with products_in("tf32"):
        product = factor @ torch.eye(PROBE, device=device)
    return bool((product == 1.0).all())


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it; without them torch is far slower than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(torch.cpu.get_capabilities().get(name, False) for name in CPU_INSTRUCTIONS)
