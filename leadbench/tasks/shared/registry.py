"""Tasks by name: opening them for a run, and their tables for what is stored."""

from __future__ import annotations

from typing import Any

from leadbench.core.errors import PluginError
from leadbench.plugins.hookspecs import TaskRegistration
from leadbench.plugins.manager import Plugins
from leadbench.tasks.shared.units import Task
from leadbench.zoo.assets import Opened


def task_registration(plugins: Plugins, name: str, where: str = "--task") -> TaskRegistration:
    """The registration of a task.

    Raises:
        UnknownNameError: nobody registered it.
    """
    registration = plugins.get("task", name, where)
    assert isinstance(registration, TaskRegistration)  # the manager checked it
    return registration


def open_task(name: str, opened: Opened, request: Any) -> Task:
    """A task with everything loaded and checked; nothing is written.

    Raises:
        UnknownNameError: nobody registered it.
        PluginError: its factory returns something else.
        LeadbenchError: what was asked for does not fit.
    """
    task = opened.plugins.factory("task", name, "--task")(opened, request)
    if not isinstance(task, Task):
        raise PluginError(f"task {name!r}: its factory returned {type(task).__name__}, which is no leadbench.Task")
    if task.name != name:
        raise PluginError(f"task {name!r}: its attribute name is {task.name!r}; it must be the registered name")
    return task
