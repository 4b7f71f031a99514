"""``leadbench config``: where assets lie, and who says so."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from leadbench.cli.lazy import late
from leadbench.core.errors import unknown_name

app = typer.Typer(help="Settings: leadbench.toml and the environment.", no_args_is_help=True)


@app.command("show")
def show(format: Annotated[str, typer.Option("--format", help="plain or json.")] = "plain") -> None:
    """Print every setting with its value and where that came from.

    The file is ./leadbench.toml, or what LEADBENCH_CONFIG names; LEADBENCH_DATASETS__HUMANML3D__ROOT and the like
    override it.

    Example: leadbench config show
    """
    if format not in ("plain", "json"):
        raise unknown_name("format", format, ("plain", "json"), where="--format")
    rows = list(late("leadbench.core.settings:load_settings")().rows())
    if format == "json":
        typer.echo(json.dumps([dict(zip(("key", "value", "source"), row, strict=True)) for row in rows], indent=2))
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, source in rows:
        typer.echo(f"{key:<{widths[0]}}  {value or '-':<{widths[1]}}  {source}")
