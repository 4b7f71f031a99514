"""The tables in README.md and under results/ are what is rendered of the stored records today, line for line."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.report.tables.diagnostics import has_diagnostics, render_diagnostics
from leadbench.results.records import Run
from leadbench.results.store import RunStore
from leadbench.tasks.stored import render_run

ROOT = Path(__file__).parents[2]
RUNS = sorted(path.parent for path in (ROOT / "results").rglob("run.json"))


def lines(run: Run) -> list[str]:
    texts = [render_run(run), *([render_diagnostics(run)] if has_diagnostics(run) else [])]
    return [line for text in texts for line in text.splitlines() if line]


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_each_page_shows_its_runs_as_they_are_rendered(folder: Path) -> None:
    page = (folder.parent / "README.md").read_text(encoding="utf-8").splitlines()
    missing = [line for line in lines(RunStore(folder).load()) if line not in page]
    assert not missing, f"run: python scripts/results_page.py results/{folder.parent.name}; first: {missing[0]}"


def test_the_readmes_tables_are_those_of_stored_runs() -> None:
    rendered = {line for folder in RUNS for line in lines(RunStore(folder).load())}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = [line for line in text.splitlines() if line.startswith("|") and "±" in line]
    assert len(tables) > 15
    assert [line for line in tables if line not in rendered] == []
