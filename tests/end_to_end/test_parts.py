"""One run in parts, as several machines would do it, and together again."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import call

from leadbench.results.records import Record
from leadbench.results.store import load_runs


def stored(folder: Path) -> dict[str, Record]:
    (run,) = load_runs(folder)
    kept = {"seconds": {}, "compute": None}
    return {record.key: record.model_copy(update=kept) for record in run.records}


def test_parts_merge_to_the_whole(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("run", "--dataset", tiny / "data", "--models", tiny / "models", "--backbone", "mld,motionlcm")
    command = (*command, "--steps", "motionlcm=1,2;mld=2", "--replications", 2, "--multimodality-replications", 0)
    command = (*command, "--skip-self-test", "--quick")
    assert call(*command, "--out", tmp_path / "whole") == 0
    for number in (1, 2, 3):
        assert call(*command, "--part", f"{number}/3", "--out", tmp_path / f"machine-{number}") == 0
        assert "NOT FINISHED" in capsys.readouterr().out
    machines = [tmp_path / f"machine-{number}" for number in (1, 2, 3)]
    assert call("results", "merge", *machines, "--out", tmp_path / "runs") == 0
    assert stored(tmp_path / "runs") == stored(tmp_path / "whole")
    (run,) = load_runs(tmp_path / "runs")
    capsys.readouterr()
    assert call("tables", run.folder) == 0
    assert "NOT FINISHED" not in capsys.readouterr().out


def test_parts_may_share_a_folder_and_the_rest_is_done_without(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an audit, too: two parts of three in one folder, then the command alone."""
    command = ("evaluator", "audit", "--dataset", tiny / "data", "--models", tiny / "models")
    command = (*command, "--corruption", "mirrored,jitter", "--replications", 1)
    assert call(*command, "--out", tmp_path / "whole") == 0
    for part in ("3/3", "1/3"):
        assert call(*command, "--part", part, "--out", tmp_path / "runs") == 0
        assert "NOT FINISHED" in capsys.readouterr().out
    assert call(*command, "--out", tmp_path / "runs") == 0
    assert "NOT FINISHED" not in capsys.readouterr().out
    assert stored(tmp_path / "runs") == stored(tmp_path / "whole")


def test_more_parts_than_units_leave_some_with_nothing(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("run", "--dataset", tiny / "data", "--models", tiny / "models", "--backbone", "motionlcm", "--quick")
    command = (*command, "--replications", 1, "--multimodality-replications", 0, "--skip-self-test")
    assert call(*command, "--part", "90/90", "--out", tmp_path) == 0
    assert "no unit of the work is in this part" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_parts_that_are_none(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--backbone", "mld", "--part", part, "--out", tmp_path / "runs") == 2
    assert "must be K/N" in capsys.readouterr().err
