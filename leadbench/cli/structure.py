"""``leadbench structure``: what the projector does to the latent space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import (
    CheckpointOption,
    ModelsOption,
    OptionalDatasetOption,
    PluginOption,
    RootOption,
    SkipBadOption,
    choose,
    complete_formats,
    parse_checkpoints,
)
from leadbench.cli.progress import progress


def structure(
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    models: ModelsOption = None,
    split: Annotated[str, typer.Option("--split", help="Motions to look at: train, val or test.")] = "test",
    projector: Annotated[str, typer.Option("--projector", help="auto, or a file.")] = "auto",
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone", "-b", help="Whose latent space [default: the model folder's own].", show_default=False
        ),
    ] = None,
    checkpoint: CheckpointOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="PNG to write [default: structure.png beside the records].", show_default=False),
    ] = None,
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="github, latex, csv, json or plain.", autocompletion=complete_formats),
    ] = "github",
    plugin: PluginOption = None,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Figure 3, right: t-SNE of latents before and after the projector, with numbers beside the picture.

    Without --dataset it looks at the embedded corpus.

    Example: leadbench structure --dataset data/bnr --figure structure.png
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    config = late("leadbench.core.config:StructureConfig")(seed=seed, split=split, skip_bad_motions=skip_bad_motions)
    choice = choose(dataset, models, plugin, root, checkpoints=parse_checkpoints(checkpoint))
    opened = late("leadbench.zoo.assets:open_assets")(choice)
    notes = () if dataset is not None else (late("leadbench.zoo.embedded:NOTE"),)
    benchmark = _benchmark(opened, backbone, projector, config, out, notes)
    benchmark.store.start(benchmark.description, late("leadbench.core.provenance:collect_provenance")())
    with progress() as reporter:
        records = benchmark.run(lambda label, done, total: reporter.show("structure", done, total, label))
        picture = benchmark.draw(figure or benchmark.store.folder / "structure.png", records)
    typer.echo(late("leadbench.tasks.structure.table:render_structure")(records, format))
    note(f"figure: {picture}")
    note(f"records: {benchmark.store.folder}")


def _benchmark(
    opened: Any, backbone: str | None, projector: str, config: Any, out: Path, notes: tuple[str, ...]
) -> Any:
    if backbone is None:
        autoencoder = opened.models.autoencoder()
    else:
        made = opened.plugins.create("backbone", backbone, opened.models, where="--backbone")
        autoencoder = late("leadbench.tasks.structure.task:latent_space")(backbone, made)
    chosen, digest = late("leadbench.tasks.structure.task:find_projector")(opened.models, autoencoder, projector)
    encoder = opened.models.text_encoder(chosen.text_encoder)
    store = late("leadbench.results.store:RunStore")
    benchmark = late("leadbench.tasks.structure.task:StructureBenchmark")(
        opened.dataset, opened.root, autoencoder, chosen, encoder, config, store(out), digest, notes
    )
    name = late("leadbench.tasks.structure.task:run_name")(benchmark.description)
    benchmark.store = store(out / opened.dataset.name / name)
    return benchmark
