"""A report opens from disk: clean, accessible, in both themes, on a phone; tables sort and copy, plots are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from command import call
from watched import Watched

RESULTS = Path(__file__).parents[2] / "results"
SCREENS = [(width, scheme) for width in (390, 1440) for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert call("report", RESULTS / "synthetic", RESULTS / "latency", "--motions", 2, "--out", path) == 0
    assert path.stat().st_size < 15_000_000
    return path


@pytest.mark.parametrize("watched", SCREENS, indirect=True)
def test_every_screen_is_clean_and_accessible(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.wait_for_function("document.querySelectorAll('thead th button').length > 20")
    page.locator(".chart").first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.chart').dataset.drawn === 'yes'")  # once it is in view
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # the others at once
    page.wait_for_function("document.querySelectorAll('.chart:not([data-drawn])').length === 0")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    serious = [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert not serious, found.generate_report()
    assert watched.is_clean(), (watched.problems, watched.requests)


def test_tables_sort(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    table = page.locator("table", has=page.locator("caption", has_text="By model")).first
    column = table.locator("thead th", has_text="FID")
    place = column.evaluate("cell => cell.cellIndex")
    values = f"rows => rows.map(row => row.cells[{place}].dataset.value).filter(v => v !== undefined).map(Number)"
    for direction in ("ascending", "descending"):
        column.get_by_role("button").click()
        assert column.get_attribute("aria-sort") == direction
        numbers = table.locator("tbody tr").evaluate_all(values)
        assert len(numbers) > 3
        assert numbers == sorted(numbers, reverse=direction == "descending")


def test_tables_copy(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy as LaTeX").last.click()
    assert r"\begin{tabular}" in page.evaluate("window.copied")
    page.get_by_role("button", name="Copy as CSV").last.click()
    assert page.evaluate("window.copied").splitlines()[0].count(",") > 5
    assert page.locator("#said").inner_text() == "Copied."


def test_the_theme_can_be_chosen(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    color = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(color)
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(color) != light
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(color) == light


def test_evidence_is_one_click_away(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    claim = page.locator("details.claim").first
    assert not claim.locator("table").is_visible()
    claim.locator("summary").click()
    assert claim.locator("table").is_visible()
    assert "0.473" in claim.inner_text()


def test_motions_of_a_caption_play_together(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    player = page.locator(".motion-player").first
    player.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.motion-player').player?.moment > 2")
    labels = player.evaluate("host => host.player.figures.filter(f => !f.ghost).map(f => f.label)")
    assert labels[0] == "Real"
    assert {"MLD, 50 steps", "LEAD (MLD), 50 steps"} <= set(labels)
