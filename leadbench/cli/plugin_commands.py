"""``leadbench plugins``: what is installed, and what failed to load."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from leadbench.cli.lazy import late
from leadbench.cli.options import PluginOption, StrictOption


def plugins(plugin: PluginOption = None, strict_plugins: StrictOption = False) -> None:
    """List plugins with what they offer, and those that failed with their error."""
    found = late("leadbench.plugins:load_plugins")(plugin or (), strict=strict_plugins)
    table = Table("plugin", "source", "offers")
    for info in found.infos:
        offers = f"[red]{info.error}[/red]" if info.error else "\n".join(info.offers)
        table.add_row(info.name, info.source, offers)
    Console().print(table)
    if any(info.error for info in found.infos):
        typer.echo("a plugin that failed does not stop commands that do not need it", err=True)
