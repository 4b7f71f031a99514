"""``plugins check --report`` writes the findings and a badge, also of a plugin that fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import call

WRONG = """
import torch

import leadbench


def make(context):
    return lambda motions: torch.zeros(1)


@leadbench.hookimpl
def leadbench_metrics():
    return [leadbench.MetricRegistration("wrong", "one number for all", make)]
"""


def read(folder: Path, name: str) -> dict[str, object]:
    return json.loads((folder / name).read_text())  # type: ignore[no-any-return]


def test_a_plugin_that_conforms(tmp_path: Path) -> None:
    assert call("plugins", "check", "jerk", "--report", tmp_path / "new" / "report") == 0
    found = read(tmp_path / "new" / "report", "conformance.json")
    checks = found["offers"]["metric:jerk"]  # type: ignore[index]
    assert {check["result"] for check in checks} == {"passed"}
    assert "long motions" in {check["check"] for check in checks}
    assert found["plugin"] == "jerk"
    assert found["leadbench"]
    assert found["torch"]
    badge = read(tmp_path / "new" / "report", "badge.json")
    assert badge["message"] == f"conforms ({len(checks)} checks)"
    assert set(badge) == {"schemaVersion", "label", "message", "color"}  # others are refused by shields.io


def test_one_that_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    arguments = ("plugins", "check", "wrong", "--plugin", tmp_path / "wrong.py", "--report", tmp_path)
    assert call(*arguments) == 2
    assert "FAIL  metric:wrong  shape" in capsys.readouterr().out
    failed = [
        check
        for check in read(tmp_path, "conformance.json")["offers"]["metric:wrong"]  # type: ignore[index]
        if check["result"] == "failed"
    ]
    assert "wrong shape [1]" in failed[0]["message"]
    assert read(tmp_path, "badge.json")["color"] == "red"


def test_one_that_was_not_opened(tmp_path: Path) -> None:
    assert call("plugins", "check", "folder", "--report", tmp_path) == 0
    assert read(tmp_path, "badge.json")["message"] == "not checked"


def test_a_report_that_cannot_be_written_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert call("plugins", "check", "jerk", "--report", tmp_path / "file") == 2
    assert "--report" in capsys.readouterr().err
