"""Checks of tasks."""

from __future__ import annotations

import json

from leadbench.tasks.shared.units import Task
from leadbench.testing.findings import Finding, need, run_checks


def check_task(name: str, task: Task) -> list[Finding]:
    """Whether a task implements ``leadbench.tasks.shared.units.Task``; its first unit is run, twice."""

    def naming() -> None:
        need(task.name == name, f"{name}: its attribute name is {task.name!r}")
        need(bool(task.group) and "/" not in task.group, f"{name}.group: {task.group!r} is no folder's name")

    def identity() -> None:
        first, second = (json.dumps(task.identity(), sort_keys=True) for _ in range(2))
        need(first == second, f"{name}.identity: differs from call to call")

    def units() -> None:
        first, second = task.units(), task.units()
        need(bool(first), f"{name}.units: there is none")
        need([u.keys for u in first] == [u.keys for u in second], f"{name}.units: differ from call to call")
        keys = [key for unit in first for key in unit.keys]
        need(len(keys) == len(set(keys)), f"{name}.units: two units have a key in common")

    def work() -> None:
        unit = task.units()[0]
        task.warm_up()
        first, second = unit.work(), unit.work()
        need([r.key for r in first] == list(unit.keys), f"{name}: a unit's records have other keys than it says")
        need(all(r.task == name for r in first), f"{name}: records of a unit name another task")
        same = [r.metrics for r in first] == [r.metrics for r in second]
        need(same, f"{name}: a unit gives other numbers the second time")

    return run_checks({"name": naming, "identity": identity, "units": units, "work": work})
