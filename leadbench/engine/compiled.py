"""torch.compile for the denoiser's network at few rows, where a CPU waits for weights and for small operators.

Measured at full size on two threads: MLD's loop at batch 1 in half the engine's time (docs/performance.md), at batch 2
0.190 instead of 0.194 s; above, and in the decoder, prepared oneDNN products were faster. A shape takes half a minute
to compile, so this is for those who ask (``leadbench latency --compile``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from leadbench.core.errors import ConfigError
from leadbench.nn.packing import ordinary_wanted
from leadbench.nn.transformer import SkipTransformerEncoder

MOST_ROWS = 6
"""Tokens of all sequences up to which compiling pays."""

TOLERANCE = 1e-4
"""Of the largest magnitude; what a compiled network may differ by."""

_WANTED = ContextVar("compiling", default=False)


@contextmanager
def compiling(wanted: bool = True) -> Iterator[None]:
    """Inside, denoising loops of few rows compile their network when they meet a new shape."""
    token = _WANTED.set(wanted)
    try:
        yield
    finally:
        _WANTED.reset(token)


def compile_wanted(sequence: Tensor, mask: Tensor | None) -> bool:
    """Whether to compile for sequences [R, S, D] on a CPU: few rows, float32, nothing masked."""
    rows = sequence.shape[0] * sequence.shape[1]
    wanted = _WANTED.get() and not ordinary_wanted()
    return wanted and mask is None and rows <= MOST_ROWS and sequence.dtype is torch.float32


class FirstRows(nn.Module):
    """A stack's first rows, and the map to latents; the last block computes all rows, which costs nothing at few of
    them. (torch.compile 2.14 reads slices of frozen weights from the wrong place.)"""

    def __init__(self, stack: SkipTransformerEncoder, to_latent: nn.Module, rows: int) -> None:
        super().__init__()
        self.stack, self.to_latent, self.rows = stack, to_latent, rows

    def forward(self, sequence: Tensor) -> Tensor:
        """[R, S, D] to [R, rows, M]."""
        latent: Tensor = self.to_latent(self.stack(sequence)[:, : self.rows])
        return latent


def compiled_network(
    module: FirstRows, like: Tensor, expected: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """``module`` compiled for inputs of the shape of ``like``, with its weights as constants, and compared with
    ``expected`` once.

    Raises:
        ConfigError: it cannot be compiled here, or computes something else.
    """
    from torch._inductor import config  # takes a second to import

    frozen = copy.deepcopy(module).eval().requires_grad_(False)
    run: Callable[[Tensor], Tensor] = torch.compile(frozen, dynamic=False)
    probe = torch.randn(like.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = expected(probe)
        try:
            # weights are constants, laid out for kernels that are tried out, with no Python between them
            with config.patch(
                freezing=True, max_autotune=True, cpp_wrapper=True, max_autotune_gemm_backends="CPP,ATEN"
            ):
                got = run(probe)
        except Exception as exc:  # the compiler raises many types, of many lines: no C++ compiler is the usual one
            reason = next(iter(str(exc).splitlines()), type(exc).__name__)
            raise ConfigError(f"--compile: torch.compile failed ({reason}); leave it out") from exc
    error = float((got - wanted).abs().max() / wanted.abs().max())
    if not error <= TOLERANCE:
        raise ConfigError(
            f"--compile: the compiled network differs by {error:.0e} of the largest magnitude, {TOLERANCE:.0e} is "
            f"allowed: a fault of this torch version; leave it out"
        )
    return run
