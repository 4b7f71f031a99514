"""Each page on a kind of plugin: its example is under 60 lines, and its commands end in a row or column of a table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import call

from leadbench.results.store import load_runs

PAGES = Path(__file__).parents[2] / "docs" / "plugins"
ROWS = {
    "backbone": ["My flow", "LEAD (My flow)"],
    "autoencoder": ["In stretches", "LEAD (In stretches)", "LEAD (MotionLCM)"],
    "motion-backbone": ["Retrieval", "MotionLCM", "LEAD (MotionLCM)"],
    "text-encoder": ["MLD"],
    "dataset": ["LEAD (MotionLCM)"],
    "projector": ["LEAD (MotionLCM)", "Affine (MotionLCM)"],
    "metric": ["bounce →"],
    "set-metric": ["Energy distance ↓", "KID·10³ ↓"],
    "evaluator": ["LEAD (MotionLCM)"],
}
LONGEST = 60


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """Titles and contents of a page's blocks."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf'```{language}(?: title="(.*?)")?\n(.*?)```', text, flags=re.DOTALL)


def follow(page: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Write a page's examples and do its commands in a folder; what the last one printed."""
    shutil.copytree(tiny / "models", tmp_path / "models", ignore=shutil.ignore_patterns("checkpoints"))
    for other in ("backbone", page):  # the flow of the first page is used by others
        for name, code in blocks(other, "python"):
            (tmp_path / name).write_text(code)
    commands = [line[2:] for _, text in blocks(page, "console") for line in text.splitlines()]
    assert len(commands) >= 2
    for command in commands:
        words = command.replace("DATA", str(tiny / "data")).replace("MODELS", "models").split()
        if words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], check=True)
            continue
        code = call(*words[1:], *(["--skip-self-test"] if words[1] == "run" else []))
        said = capsys.readouterr()
        assert code == 0, f"{command}\n{said.out}\n{said.err}"
        assert "FAIL" not in said.out
    return said.out


@pytest.mark.parametrize("page", ROWS)
def test_the_example_ends_in_a_table(
    page: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = follow(page, tiny, tmp_path, capsys)
    for row in ROWS[page]:
        assert re.search(rf"\| *{re.escape(row)}(?: \(|  *\|| *↓| *↑)|\| {re.escape(row)}", said), said
    (stored,) = load_runs(tmp_path / "runs")
    assert stored.records


def test_the_example_of_a_tracker_hears_of_every_step(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    follow("tracker", tiny, tmp_path, capsys)
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    assert all("train/loss" in line for line in lines)
    assert "validation/score" in lines[-1]


@pytest.mark.parametrize("page", [*ROWS, "tracker"])
def test_examples_are_short(page: str) -> None:
    for name, code in blocks(page, "python"):
        lines = [line for line in code.splitlines() if line.strip()]
        assert len(lines) <= LONGEST, f"{name}: {len(lines)} lines"


def test_every_kind_has_a_page() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*ROWS, "task", "tracker"}
