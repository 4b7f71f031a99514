"""What a check found, and the helpers that all checks share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leadbench.core.errors import PluginError

TOLERANCE = 1e-4
"""Largest difference, relative to the largest magnitude, that batching may make."""


class BrokenPromiseError(PluginError):
    """A check found what the contract rules out; the message is one line."""


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether it passed, and if not what is wrong; ``skipped``: it could not be tried."""

    check: str
    passed: bool
    message: str = ""
    skipped: bool = False


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


def need_scalars(what: str, part: Any, terms: Callable[[], Mapping[str, Tensor]]) -> None:
    """The terms of a training: finite scalars with ``loss`` among them, whose gradient reaches the part's ``network``,
    read from that attribute anew every time, and drawn from nothing but what they are given."""
    network = part.network
    is_module = isinstance(network, torch.nn.Module)
    need(is_module, f"{what}: network is {type(network).__name__}, must be the torch module to train")
    before = [parameter.requires_grad for parameter in network.parameters()]
    try:
        network.requires_grad_(True)
        found = terms()
        need(isinstance(found, Mapping) and "loss" in found, f"{what}: needs a mapping with 'loss' in it")
        for key, term in found.items():
            need(term.ndim == 0, f"{what}: {key!r} has shape {list(term.shape)}, must be a scalar")
            need(bool(torch.isfinite(term)), f"{what}: {key!r} is {float(term.detach())}")
        gradients = torch.autograd.grad(found["loss"], list(network.parameters()), allow_unused=True)
        need(any(g is not None for g in gradients), f"{what}: no gradient reaches `network`")
        with torch.no_grad():
            with other_global_seed(1):
                first = float(terms()["loss"])
            with other_global_seed(2):
                second = float(terms()["loss"])
        need(abs(first - second) <= TOLERANCE * abs(first), f"{what}: is random beside the draws that it is given")
        need(
            _zeroed(part, terms) != first, f"{what}: does not read the attribute network (validation puts a copy there)"
        )
    finally:
        for parameter, state in zip(network.parameters(), before, strict=True):
            parameter.requires_grad_(state)


@torch.no_grad()
def _zeroed(part: Any, terms: Callable[[], Mapping[str, Tensor]]) -> float:
    """The loss with a copy of the network in its place whose weights are 0."""
    kept = part.network
    part.network = copy.deepcopy(kept)
    try:
        for parameter in part.network.parameters():
            parameter.zero_()
        with other_global_seed(1):
            return float(terms()["loss"])
    finally:
        part.network = kept


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
