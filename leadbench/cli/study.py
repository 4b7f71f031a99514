"""``leadbench study``: the paper's user study, from the choice of pairs to the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import AssetOptions, OutputOptions, ProjectorOption, SeedOption, grouped
from leadbench.cli.outputs import writable
from leadbench.cli.parsing import parse_names, parse_steps
from leadbench.cli.progress import progress
from leadbench.cli.running import run_and_print
from leadbench.core.config import T2MConfig
from leadbench.core.errors import ConfigError
from leadbench.study.answers import Answers
from leadbench.study.candidates import Candidates, SideRequest, request_for
from leadbench.study.choosing import CHOICES
from leadbench.study.create import DEMOGRAPHICS, MOST_CHECKS, StudyRequest, create_study
from leadbench.study.exchange import export_answers, import_answers
from leadbench.study.figure import draw_study
from leadbench.study.plan import Study
from leadbench.study.power import ASSUMED, measured_spread, render_power
from leadbench.study.task import study_task
from leadbench.study.texts import SHIPPED, language_file
from leadbench.tasks.shared.request import RunRequest
from leadbench.zoo.assets import open_assets

StudyArgument = Annotated[Path, typer.Argument(help="Folder of the study.", metavar="STUDY")]


@dataclass(frozen=True)
class SideOptions:
    """What is compared."""

    first: Annotated[
        str,
        typer.Option(
            "--first", help="A row: BACKBONE, BACKBONE+PROJECTOR, BACKBONE+CONTROL (such as clamp), real, or a folder."
        ),
    ] = "mld"
    second: Annotated[str, typer.Option("--second", help="The row that is compared with it.")] = "mld+lead"
    steps: Annotated[
        str | None, typer.Option("--steps", show_default=False, help="As for run; the first is taken.")
    ] = None
    guidance: Annotated[float | None, typer.Option("--guidance", help="[default: the backbone's]")] = None
    projector: ProjectorOption = "auto"
    seed: SeedOption = 0

    def request(self) -> tuple[tuple[SideRequest, SideRequest], RunRequest]:
        """Both sides, and what opens them."""
        sides = (SideRequest(self.first), SideRequest(self.second))
        base = RunRequest(
            backbones=(),
            steps=parse_steps(self.steps),
            guidance=() if self.guidance is None else (self.guidance,),
            projector=self.projector,
            config=T2MConfig(seed=self.seed),
        )
        return sides, request_for(sides, base)


@dataclass(frozen=True)
class ContentOptions:
    """What participants see."""

    pairs: Annotated[int, typer.Option("--pairs", min=2, help="Pairs of motions.")] = 10
    choose: Annotated[str, typer.Option("--choose", help=f"Which pairs: {', '.join(CHOICES)}.", metavar="HOW")] = (
        "changed"
    )
    candidates: Annotated[int, typer.Option("--candidates", min=2, help="Captions that pairs are chosen of.")] = 128
    checks: Annotated[int, typer.Option("--checks", min=0, max=MOST_CHECKS, help="Attention checks in each part.")] = 1
    language: Annotated[
        str, typer.Option("--language", help=f"Languages, the default first: {', '.join(SHIPPED)}, or files.")
    ] = ",".join(SHIPPED)
    ask: Annotated[str, typer.Option("--ask", help="Questions about participants; none for no questions.")] = ",".join(
        DEMOGRAPHICS
    )

    def request(self) -> StudyRequest:
        """As the library takes it."""
        asked = () if self.ask == "none" else parse_names(self.ask, "--ask")
        return StudyRequest(
            self.pairs, self.candidates, self.choose, self.checks, parse_names(self.language, "--language"), asked
        )


@grouped
def create(
    folder: Annotated[Path, typer.Argument(help="Folder to make.", callback=writable("STUDY"), metavar="STUDY")],
    sides: SideOptions,
    content: ContentOptions,
    assets: AssetOptions,
) -> None:
    """Create a study from pairs of motions of two rows.

    The motions of a pair have the same caption, length and noise. By default the pairs are those that realignment
    changes most, as in the paper. A folder holds ID.npy (features or joints) or ID.bvh for test motions, or is one that
    leadbench generate wrote, whose captions are taken.

    Example: leadbench study create study --first mld --second mld+lead

    Example: leadbench study create study --first motionclip --second mld+lead --choose stratified --pairs 12

    Example: leadbench study create study --first real --second generated --choose random
    """
    named, request = sides.request()
    opened = open_assets(assets.choice(), strict=assets.strict_plugins)
    candidates = Candidates(opened, named, request)
    for warning in candidates.found.warnings:
        note(f"warning: {warning}")
    with progress() as bars:
        study = create_study(
            folder, candidates, content.request(), lambda done, total: bars.show("motions", done, total)
        )
    plan = study.plan
    typer.echo(f"wrote {folder}: {len(plan.pairs)} pairs, {plan.sides[0].name} and {plan.sides[1].name}")
    note(f"about {plan.minutes} minutes for a participant; next: leadbench study serve {folder}")


def serve(
    study: StudyArgument,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8000,
) -> None:
    """Serve a study to participants until Ctrl-C; start it again at any time.

    Answers are kept in the study's folder, each as soon as it is sent. The server speaks HTTP: for participants
    elsewhere, put a server that speaks HTTPS before it.

    Example: leadbench study serve study
    """
    opened = Study(study)
    try:
        from leadbench.study.serve import LOOPBACK
        from leadbench.study.serve import serve as serve_study
    except ModuleNotFoundError as exc:
        raise ConfigError(f"study serve: needs {exc.name} (pip install 'leadbench[study]')") from exc

    def ready(address: str) -> None:
        typer.echo(f"{address}  (Ctrl-C stops; answers: {opened.answers_path})")
        if host not in LOOPBACK:
            note("warning: others can reach this address, and what they send can be read on the way (HTTP)")

    serve_study(opened, host, port, ready)


@grouped
def results(
    study: StudyArgument,
    output: OutputOptions,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            help="Also draw Figures 4 and 5 (PNG).",
            show_default=False,
            callback=writable("--figure", file=True),
        ),
    ] = None,
    failed_checks: Annotated[
        bool, typer.Option("--failed-checks", help="Count participants who failed an attention check too.")
    ] = False,
) -> None:
    """Store the answers as a run, and print its tables: means, differences with a test, agreement, participants.

    Counted are participants who finished and passed the attention checks. leadbench claims judges Figure 5 on the run.

    Example: leadbench study results study --figure study.png
    """
    task = study_task(Study(study), failed_too=failed_checks)
    run = run_and_print(task, output)
    if figure is not None:
        note(f"wrote {draw_study(run, figure)}")


def export(
    study: StudyArgument,
    file: Annotated[Path, typer.Argument(help="File to write (JSON lines).", callback=writable("FILE", file=True))],
) -> None:
    """Write all answers to a file, to be imported elsewhere.

    Example: leadbench study export study laboratory.jsonl
    """
    opened = Study(study)
    answers = Answers(opened.answers_path, opened.plan.identity)
    try:
        count = export_answers(opened, answers, file)
    finally:
        answers.close()
    typer.echo(f"wrote {file}: {count} participants")


def import_file(
    study: StudyArgument,
    files: Annotated[list[Path], typer.Argument(help="Files that study export wrote, of the same study.")],
) -> None:
    """Import answers from other machines; importing a file twice changes nothing.

    Copy the study's folder to each machine, so that all show the same pairs.

    Example: leadbench study import study laboratory.jsonl
    """
    opened = Study(study)
    answers = Answers(opened.answers_path, opened.plan.identity)
    try:
        count = import_answers(opened, answers, files)
        total = len(answers.participants())
    finally:
        answers.close()
    typer.echo(f"{count} participants are new or have changed; {total} in all")


def power(
    difference: Annotated[
        float | None, typer.Option("--difference", help="Of mean ratings [default: each of the paper's].")
    ] = None,
    pilot: Annotated[
        Path | None, typer.Option("--pilot", help="Run folder of a study: its spread instead of an assumed one.")
    ] = None,
    between_participants: Annotated[
        float, typer.Option("--between-participants", min=0, help="Standard deviation of a difference.")
    ] = ASSUMED.participants,
    between_pairs: Annotated[
        float, typer.Option("--between-pairs", min=0, help="Standard deviation of a difference.")
    ] = ASSUMED.pairs,
    rest: Annotated[
        float, typer.Option("--rest", min=0, help="Standard deviation of what is left of a difference.")
    ] = ASSUMED.rest,
    level: Annotated[float, typer.Option("--level", min=1e-6, max=0.5, help="Of the test, two-sided.")] = 0.05,
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.")] = "github",
) -> None:
    """How many participants and pairs a study needs to see a difference, such as the paper's.

    The test is that of study results: participants and pairs are random. Its power depends on the spread of answers,
    which a pilot measures; the default is an assumption.

    Example: leadbench study power

    Example: leadbench study power --difference 0.3 --pilot runs/synthetic/study-0123456789
    """
    assumed = type(ASSUMED)(between_participants, between_pairs, rest)
    spreads = {"assumed": assumed} if pilot is None else measured_spread(pilot)
    typer.echo(render_power(difference, spreads, level, format))


def texts(
    language: Annotated[str, typer.Argument(help=f"One of {', '.join(SHIPPED)}, or a file.")] = "en",
) -> None:
    """Print what participants read, to be translated or changed and given with --language.

    Example: leadbench study texts en > el.toml
    """
    typer.echo(language_file(language).read_text(encoding="utf-8"), nl=False)
