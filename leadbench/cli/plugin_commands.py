"""``leadbench plugins``: what is installed, what failed to load, new plugins, and whether one keeps its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import PluginOption, StrictOption
from leadbench.core.errors import PluginError

app = typer.Typer(help="Plugins: list, check, or start a new one.", invoke_without_command=True)


@app.callback()
def plugins(context: typer.Context, plugin: PluginOption = None, strict_plugins: StrictOption = False) -> None:
    """List plugins with what they offer, and those that failed with their error.

    Example: leadbench plugins
    """
    if context.invoked_subcommand is not None:
        return
    found = late("leadbench.plugins.manager:load_plugins")(plugin or (), strict=strict_plugins)
    table = late("rich.table:Table")("plugin", "source", "offers")
    for info in found.infos:
        offers = f"[red]{info.error}[/red]" if info.error else "\n".join(info.offers)
        table.add_row(info.name, info.source, offers)
    late("rich.console:Console")().print(table)
    if any(info.error for info in found.infos):
        note("a plugin that failed does not stop commands that do not need it")


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A plugin, or something that one offers.")],
    plugin: PluginOption = None,
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Model folder for factories [default: the shipped one].", show_default=False),
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--path", help="Dataset folder or projector file to open.", show_default=False)
    ] = None,
) -> None:
    """Run the conformance suite: shapes, masks, determinism, batch invariance, gradients, declared steps.

    Example: leadbench plugins check motionlcm
    """
    folder = models or late("leadbench.zoo.embedded:shipped")().folder
    found = late("leadbench.plugins.manager:load_plugins")(plugin or ())
    store = late("leadbench.zoo.assets:model_store")(folder, found)
    context = late("leadbench.testing.check:CheckContext")(store, path)
    failed = 0
    for offer, findings in late("leadbench.testing.check:check_plugin")(name, found, context).items():
        for finding in findings:
            failed += not finding.passed
            typer.echo(f"{'ok  ' if finding.passed else 'FAIL'}  {offer}  {finding.check}  {finding.message}".rstrip())
    if failed:
        raise PluginError(f"{name}: {failed} check{'s' if failed > 1 else ''} failed")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the plugin, lower case.")],
    kind: Annotated[
        str, typer.Option("--kind", help="backbone, text-encoder, projector, dataset, evaluator or metric.")
    ] = "backbone",
    out: Annotated[Path, typer.Option("--out", help="Where its folder is made.")] = Path(),
) -> None:
    """Write a complete plugin: package with entry point, code that runs, tests, README.

    Example: leadbench plugins new mine --kind backbone
    """
    folder = late("leadbench.scaffold.write:write_plugin")(name, kind, out)
    typer.echo(f"wrote {folder}; next: pip install -e {folder} && leadbench plugins check {name}")
