"""``leadbench doctor``: what is there, what is missing, and whether dataset and evaluator belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import PluginOption, RootOption, choose, complete_datasets, evaluator_and_folder
from leadbench.cli.progress import progress
from leadbench.core.errors import ConfigError


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
    evaluator: Annotated[
        str, typer.Option("--evaluator", help="Evaluator's name, or folder of the official one.")
    ] = "guo",
    models: Annotated[
        Path | None, typer.Option("--models", help="Model folder [default: the dataset's].", show_default=False)
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """Report Python, torch, devices, packages, caches, text encoders that work offline, and plugins.

    With --dataset: its files and counts against the published ones, its statistics, and the evaluator's scores of real
    motions against the published Real row; and what is likely wrong where they are off.

    Example: leadbench doctor

    Example: leadbench doctor --dataset humanml3d --root HumanML3D --evaluator deps/t2m
    """
    if dataset is None:
        plugins = late("leadbench.plugins.manager:load_plugins")(plugin or ())
        _print(late("leadbench.doctor.machine:examine")(plugins))
        return
    name, folder = evaluator_and_folder(evaluator)
    choice = choose(dataset, models, plugin, root, evaluator=folder)
    with progress() as reporter:
        entries = late("leadbench.doctor.dataset:examine_dataset")(
            choice, name, lambda what, done, total: reporter.show("doctor", done, total, what)
        )
    _print(entries)


def _print(entries: list[Any]) -> None:
    width = max(len(entry.what) for entry in entries)
    for entry in entries:
        mend = f"  -> {entry.mend}" if entry.mend else ""
        typer.echo(f"{'!' if entry.mend else ' '} {entry.what:<{width}}  {entry.found}{mend}")
    wrong = [entry for entry in entries if entry.mend]
    if wrong:
        raise ConfigError(f"doctor: {len(wrong)} found; first: {wrong[0].what}: {wrong[0].mend}")
