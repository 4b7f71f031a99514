"""Write results/synthetic/README.md anew from the runs and cards that lie there; its introduction stays.

Usage: synthetic_page.py [FOLDER]   (after scripts/results_synthetic.sh, whose commands the headings name)
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from results_page import models_table, tables

from leadbench.results.records import Run
from leadbench.results.store import load_runs

RUN = "leadbench run --backbone mld,motionlcm --steps 1,2,4"
SEVEN = f"{RUN} --guidance 7.5 --controls --metric gallery --replications 5 --multimodality-replications 1 --jobs 2"
COMPARED = ("fid", "r_precision_1", "all_t2m_r1")


def replications(run: Run) -> int:
    """How many there are."""
    return len({record.replication for record in run.records})


def is_ablation(run: Run) -> bool:
    """Whether it holds the ablated projectors."""
    return any(record.row.variant == "mlp" for record in run.records)


def seed(run: Run) -> int:
    """Of the projector's training; -1: the run has none."""
    return int(run.identity.get("trainings", {}).get("projector", {}).get("seed", -1))


def at_seven(run: Run) -> bool:
    """Whether it is a training at the published guidance."""
    return run.task == "t2m" and replications(run) == 5 and not is_ablation(run)


SECTIONS: tuple[tuple[str, Callable[[Run], bool]], ...] = (
    ("leadbench run --backbone motionlcm --steps 1,2,4", lambda r: r.task == "t2m" and replications(r) == 3),
    (
        f"{RUN} --controls --metric gallery --replications 20 --multimodality-replications 3 --jobs 2",
        lambda r: r.task == "t2m" and replications(r) == 20 and not is_ablation(r),
    ),
    (SEVEN, lambda r: at_seven(r) and seed(r) == 0),
    (
        "leadbench ablate projector --preset micro --guidance 7.5 --multimodality-replications 1 --jobs 2",
        lambda r: r.task == "t2m" and is_ablation(r),
    ),
    ("leadbench mti run", lambda r: r.task == "mti"),
    ("leadbench structure --figure latent-structure.png", lambda r: r.task == "structure"),
)


def at_revision(run: Run) -> str:
    """Where a section's numbers are from."""
    return f"At revision {run.provenance['revision']}; records in [{run.folder.name}]({run.folder.name})."


def five_trainings(folder: Path, runs: list[Run]) -> list[str]:
    """Means of every training beside each other."""
    links = ", ".join(f"[seed {seed(run)}]({run.folder.name})" for run in runs)
    parts = [
        "## Five trainings",
        "Both denoisers and the projector trained again with other seeds (`scripts/results_synthetic.sh`; cards in "
        "`cards/seed-N`), in the same latent space and judged by the same evaluator, each measured by the command "
        f"above at revision {runs[0].provenance['revision']}: {links}. Means of 5 replications:",
    ]
    script = Path(__file__).with_name("trainings_table.py")
    for metric in COMPARED:
        command = [sys.executable, str(script), metric, *(str(run.folder) for run in runs)]
        parts.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    return [
        *parts,
        "What the paper claims of these rows is [judged over the five](claims.md): the training is the unit.",
    ]


def main() -> None:
    """Write the page."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/synthetic")
    page = folder / "README.md"
    runs = load_runs(folder)
    trainings = sorted(filter(at_seven, runs), key=seed)
    parts = [page.read_text(encoding="utf-8").partition("\n\n| model ")[0], models_table(folder / "cards")]
    for title, chosen in SECTIONS:
        (run,) = filter(chosen, runs)
        parts += [f"## `{title}`", at_revision(run)]
        if run.task == "structure":
            parts.append("![Test motions by action, before and after the projector](latent-structure.png)")
        if is_ablation(run):
            parts.append(models_table(folder / "cards" / "ablation"))
        parts.append(tables(folder, run.folder.name))
        if title == SEVEN:
            parts += five_trainings(folder, trainings)
    for run in trainings[1:]:
        parts += [f"## Seed {seed(run)}: `{SEVEN}`", at_revision(run), tables(folder, run.folder.name)]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
