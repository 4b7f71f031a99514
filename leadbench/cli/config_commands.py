"""``leadbench config``: where assets lie, and who says so; presets."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from leadbench.cli.options import complete_presets
from leadbench.core.errors import unknown_name
from leadbench.core.overrides import preset_toml
from leadbench.core.presets import get_preset
from leadbench.core.settings import load_settings


def show(format: Annotated[str, typer.Option("--format", help="plain or json.")] = "plain") -> None:
    """Every setting, and where it came from.

    The file is ./leadbench.toml, or what LEADBENCH_CONFIG names; LEADBENCH_DATASETS__HUMANML3D__ROOT and the like
    override it.

    Example: leadbench config show
    """
    if format not in ("plain", "json"):
        raise unknown_name("format", format, ("plain", "json"), where="--format")
    rows = list(load_settings().rows())
    if format == "json":
        typer.echo(json.dumps([dict(zip(("key", "value", "source"), row, strict=True)) for row in rows], indent=2))
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, source in rows:
        typer.echo(f"{key:<{widths[0]}}  {value or '-':<{widths[1]}}  {source}")


def preset(
    name: Annotated[str, typer.Argument(help="Preset.", autocompletion=complete_presets)] = "small",
) -> None:
    """Print a preset as TOML to start from.

    `leadbench train STAGE --config FILE` takes what is left in such a file.

    Example: leadbench config preset small
    """
    typer.echo(preset_toml(get_preset(name)), nl=False)
