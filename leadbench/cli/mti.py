"""``leadbench mti``: motion textual inversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    evaluator_and_folder,
    parse_checkpoints,
    parse_numbers,
)
from leadbench.cli.progress import progress

app = typer.Typer(help="Motion textual inversion: learn a word from a motion.", no_args_is_help=True)


@app.command("run")
def run(
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone that is inverted.")] = "mld",
    models: ModelsOption = None,
    checkpoint: CheckpointOption = None,
    evaluator: Annotated[
        str, typer.Option("--evaluator", help="Evaluator's name, or folder of the official one.")
    ] = "guo",
    losses: Annotated[str, typer.Option("--losses", help="feat, mld, lead.")] = "feat,mld,lead",
    learning_rates: Annotated[
        str, typer.Option("--learning-rates", help="Candidates; each loss takes the best on validation.")
    ] = "0.1,0.3,1",
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also projectors without a loss (Table 4), from leadbench ablate.")
    ] = False,
    motions: Annotated[int, typer.Option("--motions", min=2, help="Test motions to learn a word of.")] = 100,
    replications: Annotated[int, typer.Option("--replications", min=1, help="Generations of each word.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.")] = "github",
    plugin: PluginOption = None,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Tables 3 and 4: words learnt from single test motions, generated with and without the projector.

    Example: leadbench mti run --dataset data/bnr
    """
    late("leadbench.table:check_format")(format)
    name, official = evaluator_and_folder(evaluator)
    choice = choose(dataset, models, plugin, root, evaluator=official, checkpoints=parse_checkpoints(checkpoint))
    opened = late("leadbench.assets:open_assets")(choice)
    config = late("leadbench.config:MTIConfig")(
        losses=tuple(loss.strip() for loss in losses.split(",")),
        learning_rates=tuple(parse_numbers(learning_rates, float, "--learning-rates")),
        motions=motions,
        replications=replications,
        seed=seed,
        skip_bad_motions=skip_bad_motions,
    )
    notes = () if dataset is not None else (late("leadbench.zoo.embedded:NOTE"),)
    wanted = late("leadbench.benchmarks.mti_assets:Wanted")(backbone, name, ablation, notes)
    benchmark = late("leadbench.benchmarks.mti_assets:assemble_mti")(opened, wanted, config, out)
    with progress() as reporter:
        records = benchmark.run(lambda label, done, total: reporter.show("mti", done, total, label))
    typer.echo(late("leadbench.inversion_table:render_inversion")(records, format))
    note(f"records: {benchmark.store.folder}")
