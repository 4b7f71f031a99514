"""``leadbench data``: datasets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import PluginOption
from leadbench.cli.outputs import readable, writable
from leadbench.cli.progress import progress
from leadbench.core.errors import DataError, unknown_name
from leadbench.data.check import check_folder
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.synthetic.generate import synthesize as generate_corpus
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.data.tag_folder import tag_folder
from leadbench.plugins.manager import load_plugins


def synthesize(
    out: Annotated[Path, typer.Option("--out", help="New dataset folder.", callback=writable("--out"))],
    clips: Annotated[int, typer.Option("--clips", help="Number of motions.")] = 4000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1)] = 2,
) -> None:
    """The embedded corpus, made by kinematics.

    Text-motion pairs, free of any licence.

    Example: leadbench data synthesize --out data/synthetic
    """
    options = SynthesisOptions(clips, seed, workers)
    with progress() as reporter:
        ids = generate_corpus(out, options, lambda done, total: reporter.show("synthesize", done, total))
    typer.echo(f"wrote {out}: " + ", ".join(f"{split} {count}" for split, count in ids.items()))


def check(
    folder: Annotated[Path, typer.Argument(help="Dataset folder.", callback=readable)],
    format: Annotated[str, typer.Option("--format", help="plain or json.")] = "plain",
    most: Annotated[int, typer.Option("--most", min=1, help="Problems of a kind to print.")] = 5,
) -> None:
    """Check a dataset folder.

    Counts, splits, statistics, motions, captions; what is wrong and how to fix it. What is called harmless is left out
    by every run; published datasets have such, and the exit code stays 0.

    Example: leadbench data check data/humanml3d
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if format not in ("plain", "json"):
        raise unknown_name("format", format, ("plain", "json"), where="--format")
    found = check_folder(folder)
    if format == "json":
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        ids = ", ".join(f"{split} {count}" for split, count in found.ids.items())
        typer.echo(
            f"{ids}; {found.motions} motions, {found.frames} frames; {found.captions} captions, "
            f"{found.distinct_captions:.0%} of them distinct"
        )
        for kind in dict.fromkeys(problem.kind for problem in found.problems):
            members = [problem for problem in found.problems if problem.kind == kind]
            for problem in members[:most]:
                label = f"{kind}, harmless" if problem.harmless else kind
                typer.echo(f"{label}: {problem.where}: {problem.what}; {problem.fix}")
            if len(members) > most:
                typer.echo(f"{kind}: and {len(members) - most} more")
    serious = sum(not problem.harmless for problem in found.problems)
    if serious:
        raise DataError(f"{folder}: {serious} problems")


def tag(
    folder: Annotated[Path, typer.Argument(help="Dataset folder, whose texts/ holds captions.")],
    tagger: Annotated[
        str, typer.Option("--tagger", help="spacy, lexicon, or auto: spacy where it is installed.")
    ] = "auto",
    again: Annotated[bool, typer.Option("--again", help="Also captions that have tags.")] = False,
) -> None:
    """Add part-of-speech tags to your own captions.

    A line is a caption alone, or caption#tokens#from#to. With spaCy (pip install 'leadbench[tag]') tokens are those of
    HumanML3D.

    Example: leadbench data tag data/mine
    """
    report = tag_folder(folder, tagger, again=again)
    typer.echo(f"{report.tagged} captions tagged by {report.tagger}, {report.kept} had tags")
    if report.guessed:
        some = ", ".join(word for word, _ in report.guessed.most_common(5))
        note(f"{len(report.guessed)} words were guessed by their ending ({some}); spaCy knows them")


def list_datasets(
    root: Annotated[Path, typer.Argument(help="Folder to look in.")] = Path("data"), plugin: PluginOption = None
) -> None:
    """Dataset formats, and dataset folders here.

    Example: leadbench data list
    """
    for owner, registration in load_plugins(plugin or ()).all("dataset"):
        typer.echo(f"{registration.name}: {registration.summary} ({owner})")
    typer.echo("embedded: generated motions, used where no --dataset is given")
    for mean in sorted(root.glob("**/Mean.npy")):
        dataset = HumanML3DFolder(mean.parent)
        ids = ", ".join(f"{split} {len(dataset.ids(split))}" for split in ("train", "val", "test"))
        motion = dataset.motion
        typer.echo(f"{mean.parent}: {dataset.name}, skeleton {motion.skeleton}, {motion.fps:g} fps, {ids}")
