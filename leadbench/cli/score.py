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
    ProtocolOption,
    check_protocol,
    data_and_models,
    open_store,
)
from leadbench.cli.progress import progress


def score(
    motions: Annotated[
        Path, typer.Option("--motions", help="Folder with ID.npy for every test sample: features or joints.")
    ],
    dataset: OptionalDatasetOption = None,
    models: ModelsOption = None,
    replications: Annotated[int, typer.Option("--replications", min=1, help="Draws of captions and crops.")] = 20,
    protocol: ProtocolOption = "guo-2022",
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    corrected_features: Annotated[
        bool, typer.Option("--corrected-features", help="Joints become features without HumanML3D's defects.")
    ] = False,
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.")] = "github",
) -> None:
    """Score a folder of generated motions, whatever made them, beside the Real row.

    A file holds raw features [F, D] or joints [F, J, 3] in metres of the motion made for that test sample
    (ID#LINE for a caption with a time tag).

    Example: leadbench score --motions generated --dataset data/humanml3d
    """
    late("leadbench.table:check_format")(format)
    data, weights = data_and_models(dataset, models)
    folder = late("leadbench.data.humanml3d:HumanML3DFolder")(data)
    _, store = open_store(weights, None, False)
    config = late("leadbench.config:T2MConfig")(replications=replications, protocol=check_protocol(protocol))
    with progress() as reporter:
        records, run = late("leadbench.benchmarks.folder:score_and_store")(
            motions, folder, store.evaluator(), config, out, "corrected" if corrected_features else "official",
            lambda label, done, total: reporter.show("score", done, total, label),
        )  # fmt: skip
    typer.echo(late("leadbench.table:render_t2m")(records, format))
    note(f"records: {run}")
