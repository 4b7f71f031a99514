"""``leadbench plugins``: what is installed, what failed to load, new plugins, and whether one conforms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from leadbench.cli.console import note
from leadbench.cli.options import PartOption, PluginOption, StrictOption
from leadbench.cli.outputs import writable
from leadbench.core.errors import PluginError
from leadbench.plugins.manager import load_plugins
from leadbench.plugins.options import parse_options
from leadbench.scaffold.write import KINDS, write_plugin
from leadbench.testing.check import CheckContext, check_plugin
from leadbench.testing.report import write_report
from leadbench.zoo.assets import FOLDER, model_store, set_options
from leadbench.zoo.embedded import shipped


def list_plugins(plugin: PluginOption = None, strict_plugins: StrictOption = False) -> None:
    """Plugins with what they offer.

    Those that failed to load are listed with their error.

    Example: leadbench plugins
    """
    found = load_plugins(plugin or (), strict=strict_plugins)
    table = Table("plugin", "source", "offers")
    for info in found.infos:
        offers = f"[red]{info.error}[/red]" if info.error else "\n".join(info.offers)
        table.add_row(info.name, info.source, offers)
    Console().print(table)
    if any(info.error for info in found.infos):
        note("a plugin that failed does not stop commands that do not need it")


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
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", "-d", help="Dataset folder, for parts that are fitted to data.", show_default=False),
    ] = None,
    option: PartOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Folder for conformance.json and badge.json, a badge of shields.io.",
            callback=writable("--report"),
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the conformance suite.

    Shapes, masks, determinism, batch invariance, gradients, declared steps.

    Example: leadbench plugins check motionlcm
    """
    found = load_plugins(plugin or ())
    set_options(found, parse_options(option or ()))
    store = model_store(models or shipped().folder, found)
    store.dataset = None if dataset is None else found.dataset(FOLDER, dataset)
    offers = check_plugin(name, found, CheckContext(store, path))
    if report is not None:
        write_report(report, name, offers)
    failed = 0
    for offer, findings in offers.items():
        for finding in findings:
            failed += not finding.passed
            mark = "skip" if finding.skipped else "ok  " if finding.passed else "FAIL"
            typer.echo(f"{mark}  {offer}  {finding.check}  {finding.message}".rstrip())
    if failed:
        raise PluginError(f"{name}: {failed} check{'s' if failed > 1 else ''} failed")


def new(
    name: Annotated[str, typer.Argument(help="Name of the plugin, lower case.")],
    kind: Annotated[str, typer.Option("--kind", help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}.")] = "backbone",
    out: Annotated[
        Path, typer.Option("--out", help="Where to create its folder.", callback=writable("--out"))
    ] = Path(),
) -> None:
    """Write a complete plugin to start from.

    A package with entry point, code that runs, tests, README.

    Example: leadbench plugins new mine --kind backbone
    """
    folder = write_plugin(name, kind, out)
    typer.echo(f"wrote {folder}; next: pip install -e {folder} && leadbench plugins check {name}")
