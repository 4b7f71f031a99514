"""The player: it plays, steps and loops, all motions together, and asks for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page
from watched import Watched

from leadbench.core.skeleton import HUMANML3D
from leadbench.report.pages.page import write_player
from leadbench.report.pages.scenes import Shown, scene

FRAMES = 60


def walk(seed: int, frames: int = FRAMES) -> np.ndarray:
    """Joints of a stiff body that travels along z and sways."""
    rest = np.zeros((22, 3))
    for joint, parent in enumerate(HUMANML3D.parents):
        rest[joint] = HUMANML3D.offsets[joint] + (rest[parent] if parent >= 0 else [0, 0.92, 0])
    time = np.arange(frames)[:, None, None] / 20
    sway = 0.3 * np.sin(2 * time + seed) * np.array([rest[:, 1] / 1.7, np.zeros(22), np.zeros(22)]).T
    return rest + sway + time * np.array([0.0, 0.0, 0.8])


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shown = [Shown("first", walk(0), "a <walk>", place="first"), Shown("second", walk(1, 30), "another")]
    shown.append(Shown("Real", walk(2), "the same", place="first", ghost=True))
    scenes = [{"title": "two & a ghost", "content": scene(shown, HUMANML3D, 20.0)}]
    path = tmp_path_factory.mktemp("player") / "page.html"
    return write_player("Motions", scenes, path, about={"mld": "50 steps"})


def opened(watched: Watched, path: Path) -> Page:
    page = watched.open(path)
    page.wait_for_function("document.querySelector('.motion-player')?.player !== undefined")
    return page


def of_player(page: Page, expression: str) -> object:
    return page.eval_on_selector(".motion-player", f"host => host.player.{expression}")


def pixels(page: Page) -> bytes:
    return page.locator(".motion-stage").screenshot()


def test_it_plays_by_itself_and_stops(watched: Watched, page_file: Path) -> None:
    page = opened(watched, page_file)
    page.wait_for_function("document.querySelector('.motion-player').player.moment > 5")
    page.get_by_role("button", name="Pause").click()
    moment = of_player(page, "moment")
    before = pixels(page)
    page.wait_for_timeout(300)
    assert of_player(page, "moment") == moment
    assert pixels(page) == before
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"document.querySelector('.motion-player').player.moment !== {moment}")
    page.get_by_role("button", name="Pause").click()
    assert pixels(page) != before
    assert watched.is_clean(), (watched.problems, watched.requests)


def test_time_is_that_of_the_clock_and_the_slider(watched: Watched, page_file: Path) -> None:
    page = opened(watched, page_file)
    page.get_by_role("button", name="Pause").click()
    slider = page.get_by_label("Time")
    slider.fill("40")
    assert of_player(page, "moment") == 40
    assert page.locator(".motion-clock").inner_text() == "2.00 / 2.95 s"
    at_40 = pixels(page)
    page.locator(".motion-player").focus()
    page.keyboard.press("ArrowLeft")
    assert of_player(page, "moment") == 39
    assert pixels(page) != at_40
    page.keyboard.press("End")
    assert (of_player(page, "moment"), slider.input_value()) == (FRAMES - 1, str(FRAMES - 1))
    page.keyboard.press("Home")
    assert of_player(page, "moment") == 0


def test_figures_stand_where_their_joints_are(watched: Watched, page_file: Path) -> None:
    """To the step of the packing; a shorter motion rests in its last pose."""
    page = opened(watched, page_file)
    read = "figures.map(f => Array.from(f.at(45, 15)))"
    first, second, ghost = of_player(page, read)
    np.testing.assert_allclose(first, walk(0)[45, 15], atol=1e-4)
    np.testing.assert_allclose(second, walk(1)[29, 15], atol=1e-4)
    np.testing.assert_allclose(ghost, walk(2)[45, 15], atol=1e-4)
    assert of_player(page, "frames") == FRAMES


def test_it_loops_or_ends(watched: Watched, page_file: Path) -> None:
    page = opened(watched, page_file)
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("Speed").select_option("2")
    for loops in (True, False):
        button = page.get_by_role("button", name="loop")
        assert button.get_attribute("aria-pressed") == "true"
        if not loops:
            button.click()
        of_player(page, f"seek({FRAMES - 3})")
        page.get_by_role("button", name="Play").click()
        if loops:
            page.wait_for_function("document.querySelector('.motion-player').player.moment < 20")
            page.get_by_role("button", name="Pause").click()
        else:
            page.wait_for_function("!document.querySelector('.motion-player').player.playing")
            assert of_player(page, "moment") == FRAMES - 1


def test_what_can_be_switched_changes_the_picture(watched: Watched, page_file: Path) -> None:
    page = opened(watched, page_file)
    page.get_by_role("button", name="Pause").click()
    of_player(page, "seek(30)")
    for name in ("trails", "contacts", "ghost", "follow"):
        before = pixels(page)
        page.get_by_role("button", name=name, exact=True).click()
        assert pixels(page) != before, name
    page.get_by_role("button", name="Put the camera back").click()


def test_reduced_motion_waits(watched: Watched, page_file: Path) -> None:
    watched.page.emulate_media(reduced_motion="reduce")
    page = opened(watched, page_file)
    page.wait_for_timeout(400)
    assert of_player(page, "moment") == 0
    assert of_player(page, "playing") is False


def test_captions_are_text(watched: Watched, page_file: Path) -> None:
    page = opened(watched, page_file)
    assert "a <walk>" in str(page.locator("canvas").get_attribute("aria-label"))
    assert page.get_by_role("heading", name="two & a ghost").count() == 1
