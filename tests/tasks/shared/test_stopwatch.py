"""Seconds by stage and row."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from leadbench.tasks.shared.stopwatch import Stopwatch


def test_stages_add_up_and_are_given_out_once() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("decode", "row"):
            time.sleep(0.02)
    with watch.stage("text"):
        pass
    taken = watch.taken("row")
    assert list(taken) == ["decode"]
    assert taken["decode"] >= 0.04
    assert watch.taken("row") == {}
    assert list(watch.taken(None)) == ["text"]


def test_time_before_an_error_counts() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.stage("score", "row"):
        raise KeyError
    assert "score" in watch.taken("row")


def test_threads_add_up() -> None:
    """More than the clock shows."""
    watch = Stopwatch()

    def work() -> None:
        with watch.stage("decode", "row"):
            time.sleep(0.1)

    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: work(), range(4)))
    passed = time.perf_counter() - began
    assert 0.4 <= watch.taken("row")["decode"] <= 4 * passed
