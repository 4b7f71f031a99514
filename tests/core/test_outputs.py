"""What a command wrote is told to whoever asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.core.outputs import VARIABLE, tell_output


def test_paths_are_appended_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tell_output(Path("nobody"))  # nobody asks: nothing happens
    monkeypatch.setenv(VARIABLE, str(tmp_path / "journal"))
    tell_output(Path("runs/a"))
    tell_output(tmp_path / "ü b")
    assert (tmp_path / "journal").read_text(encoding="utf-8").splitlines() == [
        str(tmp_path / "runs" / "a"),
        str(tmp_path / "ü b"),
    ]
