"""The command ``leadbench``: parses, calls, and turns errors into one line and exit code 2."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from leadbench.cli import (
    ablate,
    claims,
    config_commands,
    data,
    doctor_command,
    generate,
    latency,
    mti,
    plugin_commands,
    run,
    score,
    strips,
    structure,
    train,
    zoo,
)
from leadbench.cli.console import VOLUME
from leadbench.cli.lazy import late
from leadbench.core.errors import LeadbenchError, PluginError

app = typer.Typer(
    name="leadbench",
    help="Benchmark of latent realignment (LEAD) for text-to-motion latent diffusion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: drawing panels would take longer than everything else that help needs
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.add_typer(zoo.app, name="zoo")
app.add_typer(ablate.app, name="ablate")
app.add_typer(mti.app, name="mti")
app.add_typer(config_commands.app, name="config")
app.command("run")(run.run)
app.command("score")(score.score)
app.command("claims")(claims.claims)
app.command("tables")(run.tables)
app.command("published")(run.show_published)
app.command("latency")(latency.latency)
app.command("strips")(strips.strips)
app.command("generate")(generate.generate)
app.command("structure")(structure.structure)
app.command("doctor")(doctor_command.doctor)
app.add_typer(plugin_commands.app, name="plugins")


@app.callback()
def root(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results: no progress, no notes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Errors with their traceback.")] = False,
) -> None:
    """Benchmark of latent realignment (LEAD) for text-to-motion latent diffusion.

    Plugins may add commands: `leadbench plugins` lists them.

    Example: leadbench run --backbone motionlcm --steps 1,2,4
    """
    VOLUME.quiet, VOLUME.verbose = quiet, verbose


BUILTIN = frozenset(
    {"ablate", "claims", "config", "data", "doctor", "generate", "latency", "mti", "plugins", "published"}
    | {"run", "score", "strips", "structure", "tables", "train", "zoo"}
)


def mount_plugin_commands(arguments: list[str]) -> None:
    """Add the command groups of plugins where the word that is called is not one of leadbench's own.

    Neither a built-in command nor ``--help`` waits for the search.

    Raises:
        PluginError: a group has the name of a built-in command, or its factory fails.
    """
    named = next((word for word in arguments if not word.startswith("-")), "")
    if not named or named in BUILTIN:
        return
    plugins = late("leadbench.plugins.manager:load_plugins")()
    for plugin, registration in plugins.all("command"):
        if registration.name in BUILTIN:
            raise PluginError(f"plugin {plugin!r}: its command {registration.name!r} is one of leadbench itself")
        group = plugins.create("command", registration.name)
        if not isinstance(group, typer.Typer):
            raise PluginError(f"plugin {plugin!r}: command {registration.name!r} is no typer.Typer")
        app.add_typer(group, name=registration.name, help=registration.summary)


def main() -> None:
    """Entry point of the console script.

    Exit codes: 0 done; 1 a bug (traceback); 2 bad input, told in one line; 130 interrupted.
    """
    try:
        mount_plugin_commands(sys.argv[1:])
        app()
    except LeadbenchError as exc:
        console = late("rich.console:Console")(stderr=True, soft_wrap=True, highlight=False)
        if VOLUME.verbose:
            console.print_exception()
        console.print("error:", style="red", end=" ")
        console.print(" ".join(str(exc).split()), markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("interrupted; start the same command again to go on", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
