"""What a check found, and the helpers that all checks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from leadbench.core.errors import PluginError

TOLERANCE = 1e-4
"""Largest difference, relative to the largest magnitude, that batching may make."""


class BrokenPromiseError(PluginError):
    """A check found what the contract rules out; the message is one line."""


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether it passed, and if not what is wrong."""

    check: str
    passed: bool
    message: str = ""


def run_checks(checks: Mapping[str, Callable[[], None]]) -> list[Finding]:
    """Run checks in order; any exception is a finding, for a plugin's code may raise anything."""
    findings = []
    for name, check in checks.items():
        try:
            check()
        except BrokenPromiseError as exc:
            findings.append(Finding(name, False, str(exc)))
        except Exception as exc:
            reason = (str(exc).strip() or type(exc).__name__).splitlines()[0]
            findings.append(Finding(name, False, f"raised {type(exc).__name__}: {reason}"))
        else:
            findings.append(Finding(name, True))
    return findings


def assert_conforms(findings: Sequence[Finding]) -> None:
    """For tests: raise with every failed check.

    Raises:
        AssertionError: a check failed.
    """
    failed = [f"{finding.check}: {finding.message}" for finding in findings if not finding.passed]
    if failed:
        raise AssertionError("; ".join(failed))


def need(condition: bool, message: str) -> None:
    """Raise BrokenPromiseError with ``message`` unless the condition holds."""
    if not condition:
        raise BrokenPromiseError(message)


def need_shape(what: str, tensor: Tensor, shape: Sequence[int | None]) -> None:
    """The tensor has this shape (None: any size), is float32, finite, and carries no gradient."""
    fits = tensor.ndim == len(shape) and all(
        size is None or size == found for size, found in zip(shape, tensor.shape, strict=True)
    )
    wanted = ", ".join("*" if size is None else str(size) for size in shape)
    need(fits, f"{what}: wrong shape {list(tensor.shape)}, the contract says [{wanted}]")
    need(tensor.dtype == torch.float32, f"{what}: dtype {tensor.dtype}, needs torch.float32")
    need(bool(torch.isfinite(tensor).all()), f"{what}: holds NaN or infinity")


def need_detached(what: str, tensor: Tensor) -> None:
    """The tensor carries no gradient."""
    need(not tensor.requires_grad, f"{what}: leaks gradient (run it under torch.no_grad)")


def need_equal(what: str, first: Tensor, second: Tensor, why: str) -> None:
    """Two results agree up to what batching may change."""
    need(first.shape == second.shape, f"{what}: {why}: shapes {list(first.shape)} and {list(second.shape)}")
    scale = max(float(first.detach().abs().max()), 1e-6)
    difference = float((first - second).detach().abs().max()) / scale
    need(difference <= TOLERANCE, f"{what}: {why} (differs by {difference:.1e} of the largest magnitude)")


@contextmanager
def unchanged(what: str, *tensors: Tensor) -> Iterator[None]:
    """The tensors hold after the block what they held before it."""
    before = [tensor.clone() for tensor in tensors]
    yield
    for tensor, old in zip(tensors, before, strict=True):
        need(torch.equal(tensor, old), f"{what}: mutates its input")


@contextmanager
def other_global_seed(seed: int) -> Iterator[None]:
    """Run with torch's global generator in another state, and put it back."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(state)
