"""``leadbench report`` from the command line: what of a run stands on the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import call

import leadbench
from leadbench.results.store import load_runs
from leadbench.tasks.stored import render_run

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    folders = (RESULTS / name for name in ("synthetic", "flow", "latency", "audit"))
    assert call("report", *folders, "--title", "Ours <b>", "--out", path) == 0
    return path.read_text(encoding="utf-8")


def test_every_run_stands_on_it(page: str) -> None:
    assert "<title>Ours &lt;b&gt;</title>" in page
    runs = [run for name in ("synthetic", "flow", "latency", "audit") for run in load_runs(RESULTS / name)]
    assert page.count('<section id="run-') == len(runs)
    for run in runs:
        assert f"<dd>{run.folder.name}</dd>" in page
        assert render_run(run, "html") in page


def test_plots_hold_the_numbers_of_the_tables(page: str) -> None:
    specs = [json.loads(text) for text in re.findall(r'json" id="run-\d+-chart-\d+">(.*?)</script>', page, re.S)]
    assert len(specs) > 10
    (run,) = [run for run in load_runs(RESULTS / "flow") if run.records[-1].row.backbone == "flow"]
    wanted = [r.metrics["fid"] for r in run.records if (r.row.projector, r.row.steps) == ("lead", 4)]
    means = [
        point["mean"]
        for spec in specs
        for point in spec["data"]["values"]
        if point.get("series") == "LEAD (Flow)" and point.get("at") == 4
    ]
    assert any(mean == pytest.approx(sum(wanted) / len(wanted)) for mean in means)
    kinds = {json.dumps(sorted(spec["data"]["values"][0])) for spec in specs}
    assert json.dumps(["bar", "length", "part", "rank"]) in kinds  # stages of latency, norms
    assert json.dumps(["decided", "high", "low", "mean", "name"]) in kinds  # differences


def test_claims_and_trainings_stand_on_it(page: str) -> None:
    assert page.count('class="claim"') > 30
    assert 'id="training-chart-1"' in page
    assert "consistency-wordllama" in page


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    """Neither by the page nor by its style; what scripts ask for, a browser's test watches."""
    head = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', head)
    assert "url(" not in head


def test_a_folder_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("report", tmp_path, "--out", tmp_path / "a.html") == 2
    assert "no run with records below it" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()


def test_two_runs_are_compared(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One model at two guidances: the rows differ, the Real row does not, and the page says by how much and why."""
    few = ("--replications", 2, "--multimodality-replications", 0, "--skip-self-test", "--out", tmp_path / "runs")
    for guidance in (1.0, 2.0):
        run = ("run", "--backbone", "mld", "--dataset", tiny / "data", "--models", tiny / "models", *few)
        assert call(*run, "--guidance", guidance) == 0
    stored = load_runs(tmp_path / "runs")
    out = tmp_path / "compare.html"
    assert call("report", "--compare", *(run.folder for run in stored), "--out", out) == 0
    text = out.read_text(encoding="utf-8")
    values = {
        run.folder.name: [r.metrics["fid"] for r in run.records if r.row.backbone == "mld" and r.row.projector is None]
        for run in stored
    }
    first, second = values.values()
    change = sum(b - a for a, b in zip(first, second, strict=True)) / 2
    assert f'<td data-value="{change!r}">' in text
    assert "identity.samplings" in text or "identity.settings" in text
    capsys.readouterr()
    assert call("report", "--compare", stored[0].folder, "--out", out) == 2
    assert "--compare: 1 folders; needed: two run folders" in capsys.readouterr().err
    other = next(iter(sorted((RESULTS / "flow").glob("t2m-*"))))
    assert call("report", "--compare", stored[0].folder, other, "--out", out) == 2
    assert "their numbers do not compare" in capsys.readouterr().err


def test_python_writes_the_same_page(tmp_path: Path) -> None:
    path = leadbench.save_report(RESULTS / "audit", tmp_path / "a.html", title="Audit")
    assert call("report", RESULTS / "audit", "--title", "Audit", "--out", tmp_path / "b.html") == 0
    assert path.read_text(encoding="utf-8") == (tmp_path / "b.html").read_text(encoding="utf-8")


def test_tables_as_html(capsys: pytest.CaptureFixture[str]) -> None:
    folder = next(iter(sorted((RESULTS / "flow").glob("t2m-*"))))
    assert call("tables", folder, "--format", "html") == 0
    assert capsys.readouterr().out.startswith("<table>")
