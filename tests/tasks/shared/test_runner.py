"""The life cycle of a task, on one that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from records import made_record

from leadbench.core.errors import DataError, ResultsError, WorkerError
from leadbench.results.records import Record
from leadbench.results.rows import Row
from leadbench.results.store import RunStore
from leadbench.tasks.shared.runner import InProcess, LocalPool, Recipe, require_same, run_folder, run_name, run_task
from leadbench.tasks.shared.units import Share, Task, Unit
from leadbench.zoo.assets import Choice

ROW = Row(backbone="mld")


class Counting(Task):
    """Four units, each one record with its number."""

    name = "t2m"
    group = "made"

    def __init__(self, of: str = "a", broken: int | None = None, wrong: bool = False) -> None:
        self.of, self.broken, self.wrong = of, broken, wrong
        self.warmed = self.prepared = 0
        self.done: list[int] = []

    def identity(self) -> Mapping[str, Any]:
        return {"of": self.of}

    def units(self) -> Sequence[Unit]:
        return [Unit(f"unit {number}", (made_record(ROW, number).key,), self._work(number)) for number in range(4)]

    def _work(self, number: int) -> Any:
        def work() -> list[Record]:
            if number == self.broken:
                raise DataError(f"unit {number}: broken")
            self.done.append(number)
            return [made_record(ROW, number + 10 * self.wrong, metrics={"fid": float(number)})]

        return work

    def warm_up(self) -> None:
        self.warmed += 1

    def prepare(self, folder: Path, progress: Any) -> None:
        self.prepared += 1


def numbers(folder: Path) -> list[int]:
    return [record.replication for record in RunStore(folder).records()]


def test_a_run_lies_where_its_identity_says(tmp_path: Path) -> None:
    one, same, other = (run_folder(Counting(of), tmp_path) for of in "aab")
    assert one == same == tmp_path / "made" / run_name("t2m", {"of": "a"})
    assert one != other
    assert run_name("t2m", {"a": 1, "b": 2}) == run_name("t2m", {"b": 2, "a": 1})


def test_units_are_done_once(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    first = Counting()
    run = run_task(first, tmp_path, progress=lambda label, done, total: seen.append((label, done, total)))
    assert [record.metrics["fid"] for record in run.records] == [0, 1, 2, 3]
    assert seen == [(f"unit {number}", number + 1, 4) for number in range(4)]
    again = Counting()
    assert run_task(again, tmp_path).records == run.records
    assert (again.done, again.warmed, again.prepared) == ([], 0, 0)


def test_what_was_done_before_an_error_is_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unit 2: broken"):
        run_task(Counting(broken=2), tmp_path)
    assert numbers(run_folder(Counting(), tmp_path)) == [0, 1]
    again = Counting()
    run_task(again, tmp_path)
    assert again.done == [2, 3]


def test_a_unit_makes_what_it_announced(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="unit 0: made other records than the unit announced"):
        run_task(Counting(wrong=True), tmp_path)
    assert numbers(run_folder(Counting(), tmp_path)) == []


def test_shares_are_all_units_each_once(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run_task(Counting(), tmp_path / str(number), share=Share(number, 3))
    held = [numbers(run_folder(Counting(), tmp_path / str(number))) for number in (1, 2, 3)]
    assert sorted(number for numbers_of_one in held for number in numbers_of_one) == [0, 1, 2, 3]


def test_nothing_is_written_where_the_check_fails(tmp_path: Path) -> None:
    class Refused(Counting):
        def check(self) -> None:
            raise DataError("no")

    with pytest.raises(DataError):
        run_task(Refused(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_executor_is_stopped_however_it_ends(tmp_path: Path) -> None:
    class Watched(InProcess):
        stopped = 0

        def stop(self) -> None:
            Watched.stopped += 1

        def run(self, numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[Record]]]:
            yield from super().run(numbers)
            raise WorkerError("gone")

    with pytest.raises(WorkerError):
        run_task(Counting(), tmp_path, executor=Watched())
    assert Watched.stopped == 1
    assert numbers(run_folder(Counting(), tmp_path)) == [0, 1, 2, 3]


def test_a_worker_that_opened_another_run_is_refused(tmp_path: Path) -> None:
    require_same(Counting(), run_folder(Counting(), tmp_path))
    with pytest.raises(WorkerError, match="other data, weights or code than the run"):
        require_same(Counting("b"), run_folder(Counting(), tmp_path))


@dataclass(frozen=True)
class Remade(Recipe):
    """Opens a task of another identity in another process, as where files have changed meanwhile."""

    of: str = "a"

    def open(self, *, strict: bool = False) -> Task:
        return Counting(self.of)


def test_processes_say_why_they_cannot_work(tmp_path: Path) -> None:
    """In one line, and not that a process died."""
    alike = run_task(Counting(), tmp_path / "a", executor=LocalPool(Remade("t2m", None, Choice("made")), 2))
    assert len(alike.records) == 4
    with pytest.raises(WorkerError, match="a worker opened other data"):
        run_task(Counting(), tmp_path / "b", executor=LocalPool(Remade("t2m", None, Choice("made"), "b"), 2))
