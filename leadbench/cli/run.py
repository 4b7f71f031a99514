"""``leadbench run``: a task on backbones, text-to-motion unless another is named."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import (
    AssetOptions,
    EvaluatorOption,
    MetricOption,
    OutputOptions,
    ProjectorOption,
    ProtocolOptions,
    SkipSelfTestOption,
    WorkOptions,
    complete_backbones,
    complete_tasks,
    evaluator_and_folder,
    grouped,
)
from leadbench.cli.parsing import parse_metrics, parse_names, parse_numbers, parse_steps
from leadbench.cli.running import run_and_print
from leadbench.core.errors import ConfigError, ResultsError
from leadbench.plugins.manager import load_plugins
from leadbench.report.tables.agreement import agreement
from leadbench.report.tables.diagnostics import render_profile
from leadbench.report.tables.engine import DATA_FORMATS
from leadbench.results.records import Run
from leadbench.tasks.shared.registry import task_registration
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import Recipe
from leadbench.tasks.t2m.task import T2MTask
from leadbench.text.cache import CachedTextEncoder
from leadbench.zoo.embedded import NOTE


@dataclass(frozen=True)
class ModelOptions:
    """Which models are measured, and how."""

    backbone: Annotated[
        str,
        typer.Option("--backbone", "-b", help="Backbones, separated by commas.", autocompletion=complete_backbones),
    ]
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps", help="Steps of few-step backbones (1,2,4), or by name (mld=10,50).", show_default=False
        ),
    ] = None
    guidance: Annotated[
        str | None, typer.Option("--guidance", help="Guidance scales to sweep, such as 2.5,5,7.5.", show_default=False)
    ] = None
    projector: ProjectorOption = "auto"


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured."""

    task: Annotated[
        str,
        typer.Option("--task", help="Task to run: t2m, sequences, or a plugin's task.", autocompletion=complete_tasks),
    ] = "t2m"
    evaluator: EvaluatorOption = "guo"
    controls: Annotated[bool, typer.Option("--controls", help="Score the controls too.")] = False
    metric: MetricOption = None
    skip_self_test: SkipSelfTestOption = False


@grouped
def run(
    assets: AssetOptions,
    model: ModelOptions,
    measure: MeasureOptions,
    protocol: ProtocolOptions,
    output: OutputOptions,
    work: WorkOptions,
    *,
    profile: Annotated[bool, typer.Option("--profile", help="Also print where the time went.")] = False,
) -> None:
    """Text-to-motion: generate, score, and print Tables 1 and 5.

    Without --dataset it runs on generated motions with the models that ship with leadbench. Safe to interrupt: the
    same command continues where it stopped. Several evaluators give a run and a table each, and a table of how well
    their rankings agree. --task NAME runs another task instead, on the same models and data: sequences, or a plugin's.

    Example: leadbench run --backbone motionlcm --steps 1,2,4

    Example: leadbench run --dataset data/bnr --backbone mld,motionlcm --steps 1,2,4 --quick

    Example: leadbench run --dataset data/bnr --backbone mld,motionlcm --evaluator guo,tmr

    Example: leadbench run --task sequences --backbone mld,motionlcm

    Example: leadbench run --dataset humanml3d --root HumanML3D --backbone mld --checkpoint mld=mld.ckpt --evaluator t2m
    """
    began = time.perf_counter()
    embedded = assets.dataset is None
    evaluators = _evaluators(measure.evaluator)
    if len(evaluators) > 1 and output.format in DATA_FORMATS:
        raise ConfigError(f"--format {output.format}: of one evaluator (leadbench tables prints each run's)")
    request = RunRequest(
        backbones=parse_names(model.backbone),
        steps=parse_steps(model.steps),
        guidance=tuple(parse_numbers(model.guidance, float, "--guidance")) if model.guidance else (),
        projector=model.projector,
        evaluator=evaluators[0][0],
        controls=measure.controls,
        metrics=parse_metrics(measure.metric),
        notes=(NOTE,) if embedded else (),
        self_test=not measure.skip_self_test,
        config=protocol.config(quick=embedded),
    )
    check_task(measure.task, assets)
    recipes = [
        Recipe(measure.task, replace(request, evaluator=name), assets.choice(folder)) for name, folder in evaluators
    ]
    tasks = [recipe.open(strict=assets.strict_plugins) for recipe in recipes]
    loaded = time.perf_counter()
    runs = []
    for number, (task, recipe) in enumerate(zip(tasks, recipes, strict=True)):
        typer.echo("\n" * (number > 0), nl=False)
        runs.append(run_and_print(task, output, recipe=recipe, work=work))
        if profile:
            typer.echo("\n" + render_profile(runs[-1].records, output.format))
        if isinstance(task, T2MTask):
            note(f"captions encoded, each once: {', '.join(map(_encoded, task.encoders.values()))}")
    if len(runs) > 1:
        _print_agreement(runs, output.format)
    if profile:
        note(f"loading took {loaded - began:.1f} s, the task {time.perf_counter() - loaded:.1f} s")
    if embedded:
        note("next: add --controls or --guidance 2.5,5,7.5, or see README.md for data of your own")


def _print_agreement(runs: Sequence[Run], form: str) -> None:
    """How alike the evaluators order the rows; a note where there are too few rows, which is no mistake."""
    try:
        typer.echo("\n" + agreement(runs, form))
    except ResultsError as problem:
        note(str(problem))


def _evaluators(given: str) -> list[tuple[str, Path | None]]:
    """Names with folders, separated by commas; a folder's name may hold one."""
    if Path(given).is_dir():
        return [evaluator_and_folder(given)]
    return [evaluator_and_folder(name) for name in dict.fromkeys(parse_names(given, "--evaluator"))]


def check_task(name: str, assets: AssetOptions) -> None:
    """Raise ConfigError for a task that has a command of its own, UnknownNameError for one that nobody registered."""
    command = task_registration(load_plugins(assets.plugin or ()), name).command
    if command:
        raise ConfigError(f"--task {name}: has a command of its own: {command}")


def _encoded(encoder: CachedTextEncoder) -> str:
    kept = f" ({encoder.known} kept from earlier runs)" if encoder.known else ""
    return f"{encoder.encoded} by {encoder.name}{kept}"
