"""``leadbench score``: motions from anywhere, scored under the same protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import (
    ModelsOption,
    OptionalDatasetOption,
    PluginOption,
    ProtocolOption,
    RootOption,
    check_protocol,
    choose,
    evaluator_and_folder,
)
from leadbench.cli.progress import progress


def score(
    motions: Annotated[
        Path, typer.Option("--motions", help="Folder with ID.npy for every test sample: features or joints.")
    ],
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    models: ModelsOption = None,
    evaluator: Annotated[
        str, typer.Option("--evaluator", help="Evaluator's name (guo, tmr), or folder of the official one.")
    ] = "guo",
    replications: Annotated[int, typer.Option("--replications", min=1, help="Draws of captions and crops.")] = 20,
    protocol: ProtocolOption = "guo-2022",
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    corrected_features: Annotated[
        bool, typer.Option("--corrected-features", help="Joints become features without HumanML3D's defects.")
    ] = False,
    skip_self_test: Annotated[
        bool, typer.Option("--skip-self-test", help="Go on where real motions do not score as they should.")
    ] = False,
    plugin: PluginOption = None,
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.")] = "github",
) -> None:
    """Score a folder of generated motions, whatever made them, beside the Real row.

    A file holds raw features [F, D] or joints [F, J, 3] in metres of the motion made for that test sample
    (ID#LINE for a caption with a time tag).

    Example: leadbench score --motions generated --dataset data/humanml3d
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    name, official = evaluator_and_folder(evaluator)
    opened = late("leadbench.zoo.assets:open_assets")(choose(dataset, models, plugin, root, evaluator=official))
    judge = opened.plugins.create("evaluator", name, opened.models, where="--evaluator")
    config = late("leadbench.core.config:T2MConfig")(replications=replications, protocol=check_protocol(protocol))
    with progress() as reporter:
        records, run = late("leadbench.tasks.score.task:score_and_store")(
            motions, opened.dataset, judge, config, out, "corrected" if corrected_features else "official",
            lambda label, done, total: reporter.show("score", done, total, label), self_test=not skip_self_test,
        )  # fmt: skip
    beside = late("leadbench.report.published:published_beside")(records[0].dataset)
    typer.echo(late("leadbench.report.tables.t2m:render_t2m")(records, format, beside))
    note(f"records: {run}")
