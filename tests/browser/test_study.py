"""The study in browsers: five participants at once, one of whom is careless, and a server that is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, ViewportSize, expect
from studies import make_study
from watched import Watched

from leadbench.study.answers import Answers
from leadbench.study.plan import Study

PEOPLE = 5


@contextmanager
def serving(study: Study, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address and process of ``leadbench study serve``."""
    command = [sys.executable, "-m", "leadbench", "study", "serve", str(study.folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{address}/health"):
                break
            time.sleep(0.05)
        yield address, process
    finally:
        process.kill()
        process.wait()


def moved(page: Page) -> None:
    """Answer what is shown, and wait for the next page."""
    before = page.url
    if "/rate/" in page.url:
        number = int(page.url.rpartition("/")[2])
        asked = page.locator(".check")
        if asked.count():
            a, b = (word for word in asked.inner_text() if word.isdecimal())
        else:
            a, b = str(1 + number % 5), str(1 + (number + 2) % 5)
        page.locator(f'input[name="a"][value="{a}"]').check(force=True)
        page.locator(f'input[name="b"][value="{b}"]').check(force=True)
    page.locator(".main").first.click()
    expect(page).not_to_have_url(before)
    settled(page)


def settled(page: Page) -> None:
    """Wait until a page is whole; load events are lost where a click cuts off another."""
    until(page, "document.readyState === 'complete' && document.querySelector('h1') !== null")


def until(page: Page, expression: str) -> None:
    """Ask until it is so: the pages' security policy forbids playwright's own waiting."""
    for _ in range(600):
        with suppress(Error):  # the page is being replaced
            if page.evaluate(expression):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"{page.url}: never {expression}")


def test_five_at_once_while_the_server_is_killed(browser: Browser, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", pairs=3, checks=1)
    screen = ViewportSize(width=500, height=700)
    # with reduced motion the players wait: five that play at once take the processor from each other
    contexts = [browser.new_context(viewport=screen, reduced_motion="reduce") for _ in range(PEOPLE)]
    pages = [context.new_page() for context in contexts]
    with serving(study) as (address, process):
        for page in pages:
            page.goto(address)
            page.get_by_role("checkbox").check()
            page.locator("button.main").click()
        for _ in range(4):  # about, the part's page, two pairs
            for page in pages:
                moved(page)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        port = int(address.rpartition(":")[2])
        half = len(_answers(study))
        assert half == PEOPLE
    with serving(study, port) as (again, _):
        assert again == address
        careless = pages[0]
        careless.reload(wait_until="domcontentloaded")
        careless.go_back(wait_until="domcontentloaded")
        careless.goto(f"{address}/rate/realism/1", wait_until="domcontentloaded")
        assert careless.locator("input:checked").count() == 2
        careless.locator("button.main").dblclick()
        expect(careless).to_have_url(re.compile("/rate/realism/[23]$"))
        settled(careless)
        careless.goto(address, wait_until="domcontentloaded")
        while any(not page.url.endswith("/done") for page in pages):
            for page in pages:
                if not page.url.endswith("/done"):
                    moved(page)
    people = _answers(study)
    assert len(people) == PEOPLE
    for person in people:
        assert person.finished is not None
        assert len(person.answers) == 2 * 4
    for context in contexts:
        context.close()


def _answers(study: Study) -> list:  # type: ignore[type-arg]
    answers = Answers(study.answers_path, study.plan.identity)
    try:
        return answers.participants()
    finally:
        answers.close()


@pytest.mark.parametrize("watched", [(390, "dark"), (1440, "light")], indirect=True)
def test_every_page_is_accessible_and_asks_nobody_else(watched: Watched, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", pairs=2, checks=1, languages=("en", "de"))
    page = watched.page
    with serving(study) as (address, _):
        page.goto(address)
        _is_accessible(page)
        page.get_by_role("checkbox").check()
        with page.expect_navigation():
            page.locator("button.main").click()
        while not page.url.endswith("/done"):
            _is_accessible(page)
            if page.url.endswith("/rate/realism/1"):
                until(page, "document.querySelector('.motion-player')?.player?.moment > 3")
            moved(page)
        _is_accessible(page)
        assert not watched.problems
        assert all(request.startswith(address) for request in watched.requests)


def _is_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    serious = [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert not serious, (page.url, found.generate_report())
