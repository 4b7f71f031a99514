"""Participants of a study at once: ``python benchmarks/study_load.py --people 50 --think 1`` prints times of pages.

A server of its own process, and visitors in threads of this one, each with its cookies, who take the whole study, as
browsers without scripts would; scripts and styles, which a browser keeps, are not asked for again. Between two pages a
visitor thinks, for a time drawn around ``--think``. Afterwards every answer that was sent is looked for in the file.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from studies import Visitor, make_study

from leadbench.core.provenance import hardware
from leadbench.study.answers import Answers
from leadbench.study.plan import Study

Sent = dict[tuple[str, str], tuple[int, int]]


class Timed(Visitor):
    """A visitor who keeps the seconds of every page."""

    def __init__(self, base: str, seconds: list[float]) -> None:
        super().__init__(base)
        self.seconds = seconds

    def _open(self, request: object) -> Visitor:
        start = time.perf_counter()
        found = super()._open(request)  # type: ignore[arg-type]
        self.seconds.append(time.perf_counter() - start)
        return found


def take(base: str, number: int, think: float, seconds: list[float], sent: list[Sent]) -> None:
    """One participant, from the first page to the last."""
    draws = random.Random(number)
    given: Sent = {}

    def rating(part: str, item: str) -> tuple[int, int]:
        given[part, item] = (draws.randint(1, 5), draws.randint(1, 5))
        return given[part, item]

    time.sleep(draws.random() * think)
    visitor = Timed(base, seconds)
    visitor.begin()
    while visitor.at != "/done":
        time.sleep(draws.uniform(0.5, 1.5) * think)
        visitor.step(rating)
    sent.append(given)


def lost(study: Study, sent: list[Sent]) -> int:
    """Participants whose answers are not in the file as they were sent."""
    answers = Answers(study.answers_path, study.plan.identity)
    kept = [
        {key: value for key, value in person.answers.items() if not key[1].startswith("check")}
        for person in answers.participants()
        if person.finished
    ]
    answers.close()
    return sum(given not in kept for given in sent) + abs(len(kept) - len(sent))


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--think", type=float, default=1.0, help="seconds between two pages, about; 0: none")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder) / "study", pairs=given.pairs, frames=196)
        command = [sys.executable, "-m", "leadbench", "study", "serve", str(study.folder), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            base = server.stdout.readline().split()[0]
            seconds: list[float] = []
            sent: list[Sent] = []
            threads = [
                threading.Thread(target=take, args=(base, number, given.think, seconds, sent))
                for number in range(given.people)
            ]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            passed = time.perf_counter() - start
            server.kill()
        p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1000
        machine = hardware()
        print(f"{machine['cpu']}, {machine['cores']} cores: {given.people} participants, {given.pairs} pairs")
        print(f"{len(seconds)} forms and pages in {passed:.0f} s, {len(seconds) / passed:.0f} a second")
        print(f"milliseconds: median {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f}, most {max(seconds) * 1000:.0f}")
        print(f"finished: {len(sent)} of {given.people}; lost: {lost(study, sent)}")


if __name__ == "__main__":
    main()
