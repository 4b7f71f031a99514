"""``leadbench zoo``: the models that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.lazy import late
from leadbench.errors import WeightsError

app = typer.Typer(help="Models that ship with leadbench.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """Shipped model sets with their files.

    Example: leadbench zoo list
    """
    for name in late("leadbench.zoo.embedded:shipped_names")():
        models = late("leadbench.zoo.embedded:shipped")(name)
        typer.echo(f"{name}: {models.bytes / 1e6:.1f} MB in {models.folder}")
        for file, entry in models.files.items():
            if file.endswith(".safetensors"):
                card = late("leadbench.zoo.files:load_card")(models.folder / file)
                size = card.metrics.get("parameters", 0) / 1e6
                typer.echo(f"  {file}: {card.stage}, {size:.1f} M parameters, {entry['bytes'] / 1e6:.1f} MB")


@app.command("verify")
def verify(name: Annotated[str, typer.Argument(help="A shipped set.")] = "micro") -> None:
    """Check the hash of every shipped file, and that all models load and fit together.

    Example: leadbench zoo verify
    """
    models = late("leadbench.zoo.embedded:shipped")(name)
    wrong = late("leadbench.zoo.embedded:changed_files")(models)
    if wrong:
        raise WeightsError(f"{models.folder}: {'; '.join(wrong)}; install leadbench again")
    loaded = late("leadbench.training.build:load_all")(models.folder, name)
    typer.echo(f"{name}: {len(models.files)} files as shipped; loaded {', '.join(loaded)}")


@app.command("build")
def build(
    name: Annotated[str, typer.Argument(help="Preset to build.")] = "micro",
    work: Annotated[Path, typer.Option("--work", help="Corpus, models and checkpoints.")] = Path("build/zoo"),
    out: Annotated[
        Path | None, typer.Option("--out", help="Packed files [default: WORK/packed].", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Trainings at a time.")] = 2,
) -> None:
    """Make a shipped set from nothing: corpus, trainings, packed files. Start it again to go on where it stopped.

    Example: leadbench zoo build micro
    """
    late("leadbench.training.build:build")(name, work, out or work / "packed", jobs=jobs, say=typer.echo)
