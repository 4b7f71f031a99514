"""What commands that run a task have in common: progress, processes, the table, where records are."""

from __future__ import annotations

import typer

from leadbench.cli.console import note
from leadbench.cli.options import OutputOptions
from leadbench.cli.progress import progress
from leadbench.results.records import Run
from leadbench.tasks.shared.runner import Recipe, executor_for, run_task
from leadbench.tasks.shared.units import Task
from leadbench.tasks.stored import render_run


def run_and_print(task: Task, output: OutputOptions, *, recipe: Recipe | None = None, jobs: int = 1) -> Run:
    """Start or resume a task, print its table and where the records are.

    Args:
        recipe: how other processes open the task; needed for more than one job, and for all GPUs.
        jobs: processes that share the work.
    """
    executor = None if recipe is None else executor_for(recipe, jobs)
    with progress() as reporter:
        run = run_task(
            task,
            output.out,
            executor=executor,
            progress=lambda label, done, total: reporter.show(task.name, done, total, label),
        )
    typer.echo(render_run(run, output.format))
    note(f"records: {run.folder}")
    return run
