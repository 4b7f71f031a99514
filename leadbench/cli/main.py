"""The command ``leadbench``: parses, calls, and turns errors into one line and exit code 2.

Commands are modules that import what they need as any module does. They are imported when they are called, so that
``leadbench --help`` does not wait for torch; nothing here may import one of them.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from leadbench.cli.console import VOLUME
from leadbench.cli.groups import Group, LazyCommand, typer_group
from leadbench.core.errors import ConfigError, LeadbenchError, PluginError
from leadbench.core.processes import end_with_parent, is_launched

COMMANDS = Group(
    "Benchmark of latent realignment (LEAD) for text-to-motion latent diffusion.",
    {
        "run": LazyCommand("leadbench.cli.run", "run", "Text-to-motion: generate, score, and print Tables 1 and 5."),
        "score": LazyCommand("leadbench.cli.score", "score", "Score a folder of motions, next to the Real row."),
        "mti": Group(
            "Motion textual inversion: learn a word from a motion.",
            {
                "run": LazyCommand(
                    "leadbench.cli.mti", "run", "Tables 3 and 4: words learnt from single test motions."
                ),
                "styles": LazyCommand("leadbench.cli.mti", "styles", "Figure 7 in numbers: words of unseen styles."),
                "learn": LazyCommand(
                    "leadbench.cli.mti", "learn", "Learn a word from motions and keep it as a small file."
                ),
            },
        ),
        "evaluator": Group(
            "Spaces to compare texts and motions in.",
            {
                "audit": LazyCommand(
                    "leadbench.cli.evaluator", "audit", "How an evaluator reacts to known corruptions."
                ),
            },
        ),
        "structure": LazyCommand(
            "leadbench.cli.structure", "structure", "Figure 3: latents before and after the projector."
        ),
        "latency": LazyCommand("leadbench.cli.latency", "latency", "Seconds per prompt, stage by stage."),
        "ablate": Group(
            "The paper's ablations.",
            {
                "projector": LazyCommand(
                    "leadbench.cli.ablate", "projector", "Table 6: architectures and losses of the projector."
                ),
            },
        ),
        "claims": LazyCommand("leadbench.cli.claims", "claims", "Judge the paper's claims on stored records."),
        "tables": LazyCommand("leadbench.cli.tables", "tables", "Print the tables of a stored run."),
        "published": LazyCommand("leadbench.cli.tables", "show_published", "Print one of the paper's tables."),
        "report": LazyCommand(
            "leadbench.cli.report", "report", "One HTML page of stored results, to look at and send."
        ),
        "study": Group(
            "The paper's user study: people rate motions side by side.",
            {
                "create": LazyCommand("leadbench.cli.study", "create", "Choose pairs of motions, and make a study."),
                "serve": LazyCommand("leadbench.cli.study", "serve", "Serve a study to participants."),
                "results": LazyCommand("leadbench.cli.study", "results", "Figures 4 and 5: the tables of a study."),
                "export": LazyCommand("leadbench.cli.study", "export", "Write all answers to a file."),
                "import": LazyCommand("leadbench.cli.study", "import_file", "Take answers from other machines."),
                "power": LazyCommand("leadbench.cli.study", "power", "How many participants and pairs are needed."),
                "texts": LazyCommand("leadbench.cli.study", "texts", "Print what participants read."),
            },
        ),
        "results": Group(
            "Stored results.",
            {
                "migrate": LazyCommand(
                    "leadbench.cli.results", "migrate", "Convert stored runs to the current schema."
                ),
                "merge": LazyCommand(
                    "leadbench.cli.results", "merge", "Join runs whose parts were computed on several machines."
                ),
                "agree": LazyCommand(
                    "leadbench.cli.results", "agree", "How well evaluators agree on the ranking of models."
                ),
                "verify": LazyCommand(
                    "leadbench.cli.results", "verify", "Check that stored runs are complete and unchanged."
                ),
            },
        ),
        "sweep": Group(
            "Many trainings and evaluations, described in one file.",
            {
                "plan": LazyCommand(
                    "leadbench.cli.sweep", "plan", "What a sweep consists of, what is done, and what would run."
                ),
                "list": LazyCommand(
                    "leadbench.cli.sweep", "list_pieces", "Number, level and command of every piece, for a scheduler."
                ),
                "run": LazyCommand("leadbench.cli.sweep", "run", "Run the pieces of a sweep that are not done."),
            },
        ),
        "push": LazyCommand("leadbench.cli.publish", "push", "Publish models or results in a store, such as hf://."),
        "pull": LazyCommand("leadbench.cli.publish", "pull", "Download published models or results."),
        "generate": LazyCommand(
            "leadbench.cli.generate", "generate", "Generate motions of captions: arrays, a page, BVH, video."
        ),
        "strips": LazyCommand("leadbench.cli.strips", "strips", "Draw a test motion real, generated and realigned."),
        "train": Group(
            "Train a stage. Safe to interrupt: the same command continues where it stopped.",
            {
                "autoencoder": LazyCommand("leadbench.cli.train", "autoencoder", "Stage 1: the motion autoencoder."),
                "diffusion": LazyCommand("leadbench.cli.train", "diffusion", "Stage 2: the latent denoiser."),
                "consistency": LazyCommand("leadbench.cli.train", "consistency", "Distil a denoiser to few steps."),
                "projector": LazyCommand(
                    "leadbench.cli.train", "projector", "Stage 3: a projector; everything else stays frozen."
                ),
                "length": LazyCommand(
                    "leadbench.cli.train", "length", "The predictor of lengths, for leadbench generate."
                ),
                "evaluator": LazyCommand("leadbench.cli.train", "evaluator", "An evaluator: the space of the metrics."),
                "motionclip": LazyCommand(
                    "leadbench.cli.train", "motionclip", "MotionCLIP: an autoencoder of its own."
                ),
            },
        ),
        "data": Group(
            "Datasets in HumanML3D's on-disk format.",
            {
                "prepare": Group(
                    "Convert public motion capture.",
                    {
                        "bnr": LazyCommand("leadbench.cli.prepare", "bnr", "The Bandai-Namco Research motion dataset."),
                        "100style": LazyCommand("leadbench.cli.prepare", "hundred_style", "The 100STYLE dataset."),
                    },
                ),
                "synthesize": LazyCommand(
                    "leadbench.cli.data", "synthesize", "The embedded corpus, made by kinematics."
                ),
                "check": LazyCommand("leadbench.cli.data", "check", "Check a dataset folder."),
                "tag": LazyCommand("leadbench.cli.data", "tag", "Add part-of-speech tags to your own captions."),
                "list": LazyCommand(
                    "leadbench.cli.data", "list_datasets", "Dataset formats, and dataset folders here."
                ),
            },
        ),
        "zoo": Group(
            "Models that ship with leadbench, and official files.",
            {
                "list": LazyCommand("leadbench.cli.zoo", "list_models", "Shipped model sets with their files."),
                "verify": LazyCommand("leadbench.cli.zoo", "verify", "Check the files of a shipped set."),
                "build": LazyCommand("leadbench.cli.zoo", "build", "Build a shipped set from scratch."),
                "inspect": LazyCommand(
                    "leadbench.cli.zoo", "inspect", "Identify a file without executing anything in it."
                ),
                "import": LazyCommand("leadbench.cli.zoo", "import_file", "Convert an official file once."),
            },
        ),
        "plugins": Group(
            "Plugins: list, check, or start a new one.",
            {
                "list": LazyCommand("leadbench.cli.plugin_commands", "list_plugins", "Plugins with what they offer."),
                "check": LazyCommand("leadbench.cli.plugin_commands", "check", "Run the conformance suite."),
                "new": LazyCommand("leadbench.cli.plugin_commands", "new", "Write a complete plugin to start from."),
            },
            default="list",
        ),
        "config": Group(
            "Settings: leadbench.toml and the environment; and presets.",
            {
                "show": LazyCommand("leadbench.cli.config_commands", "show", "Every setting, and where it came from."),
                "preset": LazyCommand(
                    "leadbench.cli.config_commands", "preset", "Print a preset as TOML to start from."
                ),
            },
        ),
        "doctor": LazyCommand(
            "leadbench.cli.doctor_command",
            "doctor",
            "Check the installation: what works, what is missing, how to get it.",
        ),
    },
)


_OTHERS_SECONDS = 5.0

_INTERRUPTED = 130
"""Exit code of an interruption, as shells have it."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leadbench {version('leadbench')}")
        raise typer.Exit


app = typer_group("leadbench", COMMANDS, callback=None)
app._add_completion = True  # of the whole program; the groups below have none of their own


@app.callback()
def root(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results: no progress, no notes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Errors with their traceback.")] = False,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Benchmark of latent realignment (LEAD) for text-to-motion latent diffusion.

    Plugins may add commands: `leadbench plugins list` names them.

    Example: leadbench run --backbone motionlcm --steps 1,2,4
    """
    VOLUME.quiet, VOLUME.verbose = quiet, verbose


def mount_plugin_commands(arguments: list[str]) -> None:
    """Add the command groups of plugins where the word that is called is not one of leadbench's own.

    Neither a built-in command nor ``--help`` waits for the search.

    Raises:
        PluginError: a group has the name of a built-in command, or its factory fails.
    """
    named = next((word for word in arguments if not word.startswith("-")), "")
    if not named or named in COMMANDS.entries:
        return
    from leadbench.plugins.manager import load_plugins  # imports every plugin's module

    plugins = load_plugins()
    for plugin, registration in plugins.all("command"):
        if registration.name in COMMANDS.entries:
            raise PluginError(f"plugin {plugin!r}: its command {registration.name!r} is one of leadbench itself")
        group = plugins.factory("command", registration.name)()
        if not isinstance(group, typer.Typer):
            raise PluginError(f"plugin {plugin!r}: command {registration.name!r} is no typer.Typer")
        app.add_typer(group, name=registration.name, help=registration.summary)


def main() -> None:
    """Entry point of the console script.

    Exit codes: 0 done; 1 a bug (traceback); 2 bad input, reported in one line; 130 interrupted.
    """
    end_with_parent()
    try:
        _require_training(sys.argv[1:])
        mount_plugin_commands(sys.argv[1:])
        app()
    except LeadbenchError as exc:
        _fail(str(exc))
    except OSError as exc:
        _fail(_said(exc))
    except ValueError as exc:
        refused = sys.modules.get("pydantic")  # imported, where it was a configuration that refused a value
        if refused is None or not isinstance(exc, refused.ValidationError):
            raise
        from leadbench.core.reading import first_problem

        _fail(f"{exc.title}: {first_problem(exc)}")
    except (MemoryError, RuntimeError) as exc:
        if not _ran_out_of_memory(exc):
            raise
        _fail("out of memory; give --chunk a smaller number, or --jobs")
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as ended:  # typer's own exit; some versions make one of an interruption, without a word
        if ended.code != _INTERRUPTED:
            raise
        _interrupted()


def _require_training(arguments: list[str]) -> None:
    """Raise ConfigError where several processes were launched together of a command that one process works on."""
    named = next((word for word in arguments if not word.startswith("-")), "")
    if is_launched() and named not in ("", "train"):  # without a word it is help, or the version
        raise ConfigError(
            f"leadbench {named}: several processes were launched together (WORLD_SIZE is set), which only train knows; "
            f"start it alone, with --jobs, --device cuda:all or --cluster"
        )


def _interrupted() -> NoReturn:
    typer.echo("interrupted; start the same command again to go on", err=True)
    sys.exit(_INTERRUPTED)


def _fail(message: str) -> NoReturn:
    """One line on stderr, and exit code 2; with ``--verbose`` the traceback before it.

    Of processes that were launched together the others wait first: where all failed alike, the first one has said so
    and the launcher ended them.
    """
    process = int(os.environ["RANK"]) if is_launched() else 0
    if process:
        time.sleep(_OTHERS_SECONDS)
        message = f"process {process}: {message}"
    from rich.console import Console  # takes longer to import than help takes

    copies = sys.modules.get("leadbench.core.remote")  # imported, where something was named by URL
    if copies is not None:
        message = copies.with_urls(message)
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    if VOLUME.verbose:
        console.print_exception()
    console.print("error:", style="red", end=" ")
    console.print(" ".join("".join(c if c.isprintable() else " " for c in message).split()), markup=False)
    sys.exit(2)


def _ran_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Of the host, or of a device, whose errors are torch's own."""
    if isinstance(error, MemoryError):
        return True
    device = sys.modules.get("leadbench.core.device")  # imported, where something was computed
    return device is not None and bool(device.is_out_of_memory(error))


def _said(error: OSError) -> str:
    """What the system refused, and of which file."""
    what = f"{error.filename}: " if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "; free some space and start the same command again: it continues where it stopped" if full else ""
    return f"{what}{error.strerror or error}{advice}"


if __name__ == "__main__":
    main()
