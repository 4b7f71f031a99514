"""``leadbench doctor``: what is there, what is missing, and whether dataset and evaluator belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.options import (
    DeviceOption,
    EvaluatorOption,
    PartOption,
    PluginOption,
    RootOption,
    complete_datasets,
    evaluator_and_folder,
)
from leadbench.cli.progress import progress
from leadbench.core.errors import ConfigError
from leadbench.doctor.dataset import examine_dataset
from leadbench.doctor.diagnosis import Diagnosis
from leadbench.doctor.machine import examine
from leadbench.plugins.manager import load_plugins
from leadbench.plugins.options import parse_options
from leadbench.zoo.assets import Choice, set_options


def doctor(
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Examine this dataset too, by name or folder.",
            show_default=False,
            autocompletion=complete_datasets,
        ),
    ] = None,
    root: RootOption = None,
    evaluator: EvaluatorOption = "guo",
    models: Annotated[
        Path | None, typer.Option("--models", help="Model folder [default: the dataset's].", show_default=False)
    ] = None,
    plugin: PluginOption = None,
    option: PartOption = None,
    device: DeviceOption = None,
) -> None:
    """Check the installation: what works, what is missing, how to get it.

    Python, torch, devices, packages, caches, text encoders that work offline, and plugins. With --dataset: its files,
    its counts against the published ones, its statistics, and the evaluator's scores of real motions against the
    published Real row; and what is likely wrong where they are off.

    Example: leadbench doctor

    Example: leadbench doctor --dataset humanml3d --root HumanML3D --evaluator deps/t2m
    """
    if dataset is None:
        plugins = load_plugins(plugin or ())
        set_options(plugins, parse_options(option or ()))
        _print(examine(plugins, device))
        return
    name, folder = evaluator_and_folder(evaluator)
    choice = Choice(
        dataset,
        root=root,
        models=models,
        evaluator=folder,
        plugins=tuple(plugin or ()),
        device=device,
        options=parse_options(option or ()),
    )
    with progress() as reporter:
        diagnoses = examine_dataset(choice, name, lambda what, done, total: reporter.show("doctor", done, total, what))
    _print(diagnoses)


def _print(diagnoses: Sequence[Diagnosis]) -> None:
    width = max(len(entry.what) for entry in diagnoses)
    for entry in diagnoses:
        fix = f"  -> {entry.fix}" if entry.fix else ""
        typer.echo(f"{'!' if entry.wrong else ' '} {entry.what:<{width}}  {entry.found}{fix}")
    wrong = [entry for entry in diagnoses if entry.wrong]
    if wrong:
        raise ConfigError(f"doctor: {len(wrong)} found; first: {wrong[0].what}: {wrong[0].fix}")
