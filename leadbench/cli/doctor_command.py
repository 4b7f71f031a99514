"""``leadbench doctor``: what is there, what is missing."""

from __future__ import annotations

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import PluginOption
from leadbench.errors import ConfigError


def doctor(plugin: PluginOption = None) -> None:
    """Report Python, torch, devices, packages, caches, text encoders that work offline, and plugins.

    Example: leadbench doctor
    """
    plugins = late("leadbench.plugins:load_plugins")(plugin or ())
    entries = late("leadbench.doctor:examine")(plugins)
    width = max(len(entry.what) for entry in entries)
    for entry in entries:
        mend = f"  -> {entry.mend}" if entry.mend else ""
        typer.echo(f"{'!' if entry.mend else ' '} {entry.what:<{width}}  {entry.found}{mend}")
    wrong = [entry for entry in entries if entry.mend]
    if wrong:
        raise ConfigError(f"doctor: {len(wrong)} found; first: {wrong[0].what}: {wrong[0].mend}")
