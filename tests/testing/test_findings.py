"""Helpers of the conformance checks: each raises where its promise is broken, in one line."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from leadbench.testing import findings
from leadbench.testing.findings import BrokenPromiseError


class Part:
    def __init__(self) -> None:
        self.network = nn.Linear(2, 1)

    def terms(self) -> Mapping[str, Tensor]:
        return {"loss": self.network(torch.ones(1, 2)).square().sum()}


def test_any_exception_is_a_finding_and_the_rest_goes_on() -> None:
    def broken() -> None:
        raise ZeroDivisionError("first line\nsecond line")

    found = findings.run_checks({"a": lambda: None, "b": broken, "c": lambda: findings.need(False, "not so")})
    assert [(one.check, one.passed, one.message) for one in found] == [
        ("a", True, ""),
        ("b", False, "raised ZeroDivisionError: first line"),
        ("c", False, "not so"),
    ]
    with pytest.raises(AssertionError, match=r"b: raised .*; c: not so"):
        findings.assert_conforms(found)
    findings.assert_conforms(found[:1])


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(2, 4), r"wrong shape \[2, 4\], the contract says \[\*, 3\]"),
        (torch.zeros(3), r"wrong shape \[3\]"),
        (torch.zeros(2, 3).double(), "dtype torch.float64, needs torch.float32"),
        (torch.full((2, 3), torch.nan), "holds NaN or infinity"),
    ],
)
def test_shapes(tensor: Tensor, message: str) -> None:
    findings.need_shape("x", torch.zeros(2, 3), (None, 3))
    with pytest.raises(BrokenPromiseError, match=message):
        findings.need_shape("x", tensor, (None, 3))


def test_equality_is_relative_to_the_largest_magnitude() -> None:
    large = torch.tensor([1000.0, 1.0])
    findings.need_equal("x", large, large + 0.05, "rows differ")
    with pytest.raises(BrokenPromiseError, match=r"rows differ \(differs by 2\.0e-04"):
        findings.need_equal("x", large, large + 0.2, "rows differ")


def test_inputs_that_are_changed() -> None:
    tensor = torch.zeros(3)
    with findings.unchanged("x", tensor):
        tensor + 1
    with pytest.raises(BrokenPromiseError, match="mutates its input"), findings.unchanged("x", tensor):
        tensor += 1


def test_the_global_generator_is_put_back() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with findings.other_global_seed(7):
        torch.rand(5)
    assert torch.equal(torch.rand(2), expected)


def test_terms_of_a_training() -> None:
    part = Part()
    findings.need_scalars("x", part, part.terms)
    with pytest.raises(BrokenPromiseError, match="needs a mapping with 'loss' in it"):
        findings.need_scalars("x", part, lambda: {"error": torch.zeros(())})
    with pytest.raises(BrokenPromiseError, match="'loss' has shape"):
        findings.need_scalars("x", part, lambda: {"loss": part.network(torch.ones(3, 2))})
    kept = part.network
    with pytest.raises(BrokenPromiseError):  # the network that is asked for is not the one that computes
        findings.need_scalars("x", part, lambda: {"loss": kept(torch.ones(1, 2)).square().sum()})
    with pytest.raises(BrokenPromiseError):  # drawn from the global generator
        findings.need_scalars("x", part, lambda: {"loss": part.network(torch.rand(1, 2)).square().sum()})
