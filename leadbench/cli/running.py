"""What commands that run a task have in common: progress, processes, the table, where records are."""

from __future__ import annotations

import typer

from leadbench.cli.console import note
from leadbench.cli.options import OutputOptions, WorkOptions
from leadbench.cli.progress import progress
from leadbench.results.records import Run
from leadbench.tasks.shared.ray_pool import RayPool
from leadbench.tasks.shared.runner import Executor, Recipe, executor_for, run_task
from leadbench.tasks.shared.units import Task
from leadbench.tasks.stored import render_run


def run_and_print(
    task: Task, output: OutputOptions, *, recipe: Recipe | None = None, work: WorkOptions | None = None
) -> Run:
    """Start or resume a task, print its table and where the records are.

    Args:
        recipe: how other processes open the task; needed for more than one job, and for all GPUs.
        work: how many processes share it, and which part of it is done here.
    """
    work = work or WorkOptions()
    share = work.share
    executor = None if recipe is None else _executor(recipe, work)
    with progress() as reporter:
        run = run_task(
            task,
            output.out,
            executor=executor,
            progress=lambda label, done, total: reporter.show(task.name, done, total, label),
            share=share,
        )
    if not run.records:
        note(f"--part {work.part}: no unit of the work is in this part")
        return run
    typer.echo(render_run(run, output.format))
    note(f"records: {run.folder}")
    return run


def _executor(recipe: Recipe, work: WorkOptions) -> Executor | None:
    """Where units are done; None: in this process."""
    if work.cluster is not None:
        return RayPool(recipe, work.cluster, work.jobs)
    return executor_for(recipe, work.jobs or 1)
