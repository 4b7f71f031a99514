"""Measures of sets and the audit on the pretended device: the CPU's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.testing.pretended import pretended_device
from tests.device.conftest import Call
from tests.device.test_run import records, same


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--backbone", "motionlcm", "--multimodality-replications", "0", "--skip-self-test", "--metric", "all"),
        ("evaluator", "audit", "--corruption", "jitter,mirrored", "--metric", "kid,memorisation,gallery-alike"),
    ],
    ids=["run", "audit"],
)
def test_the_cpus_numbers(call: Call, command: tuple[str, ...], tmp_path: Path) -> None:
    assert call(*command, "--replications", "1", "--device", "cpu", "--out", tmp_path / "cpu") == 0
    with pretended_device():
        assert call(*command, "--replications", "1", "--out", tmp_path / "lazy") == 0
    here, there = records(tmp_path / "cpu"), records(tmp_path / "lazy")
    same(here, there, 1e-3)
    assert {record.compute.device for record in there if record.compute} == {"lazy:0"}
    assert all("kid" in record.metrics for record in there)
