"""A folder of generated motions: numbered files in the chosen formats, a page, and what made them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from leadbench.core.files import write_text_atomic
from leadbench.core.provenance import collect_provenance
from leadbench.core.skeleton import get_skeleton
from leadbench.generation.formats import PAGE, WRITERS, Form
from leadbench.generation.generator import GeneratedMotion, GenerateRequest, Generator
from leadbench.report.pages.page import write_player
from leadbench.report.pages.scenes import Shown, scene

_NUMBERED = re.compile(r"\d+(?=-)")
_A_PAGE = 40  # players; more make a page heavy


def generate_all(generators: Sequence[Generator], request: GenerateRequest) -> Iterator[list[GeneratedMotion]]:
    """The motions of each generator in turn; of several, names end with the backbone's."""
    for generator in generators:
        found = generator.generate(request)
        yield found if len(generators) == 1 else [replace(m, name=f"{m.name}-{m.backbone}") for m in found]


def write_motions(
    motions: Sequence[GeneratedMotion],
    request: GenerateRequest,
    generators: Sequence[Generator],
    out: Path,
    formats: Sequence[str] = ("npy",),
) -> Iterator[Path]:
    """Write ``NAME.features.npy`` and so on, ``generate.json`` (request, models, provenance) and ``index.html``.

    What the folder holds already stays: numbers go on behind its last, and the description is ``generate-NUMBER.json``,
    the page ``index-NUMBER.html``.

    Args:
        motions: of all generators.
        request: that they were made for.
        generators: that made them.
        out: folder.
        formats: of :data:`leadbench.generation.formats.FORMATS`.

    Yields:
        Each file, once it is written.
    """
    first = _next_number(out)
    motions = [replace(motion, name=_renumbered(motion.name, first)) for motion in motions]
    spec = generators[0].backbone.autoencoder.motion
    form = Form(get_skeleton(spec.skeleton), spec.fps)
    ending = "" if first == 0 else f"-{first:03d}"
    models = [generator.description(request) for generator in generators]
    about = {str(model["backbone"]): _told(model) for model in models}
    yield from write_files(motions, form, out, formats, page=f"index{ending}", about=about)
    content = {
        "request": asdict(request),
        "captions": {motion.name: motion.caption for motion in motions},
        "models": models,
        **collect_provenance(generators[0].compute),
    }
    write_text_atomic(out / f"generate{ending}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    yield out / f"generate{ending}.json"


def write_files(
    motions: Sequence[GeneratedMotion],
    form: Form,
    out: Path,
    formats: Sequence[str],
    *,
    page: str = "index",
    about: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Write motions under their names, and a page called ``page``; files of the same names are replaced.

    Yields:
        Each file, once it is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in formats:
        if name == PAGE:
            yield from _pages(motions, form, about or {}, out, page)
        else:
            for motion in motions:
                yield from WRITERS[name](motion, form, out / motion.name)


def _next_number(out: Path) -> int:
    """Behind the last that a folder holds."""
    out.mkdir(parents=True, exist_ok=True)
    return 1 + max((int(match[0]) for path in out.iterdir() if (match := _NUMBERED.match(path.name))), default=-1)


def _pages(
    motions: Sequence[GeneratedMotion], form: Form, about: Mapping[str, str], out: Path, name: str
) -> Iterator[Path]:
    """A player for each caption, in which all that was made of it plays together; several pages if there are many."""
    by_number: dict[str, list[GeneratedMotion]] = {}
    for motion in motions:
        by_number.setdefault(motion.name.partition("-")[0], []).append(motion)
    groups = list(by_number.values())
    scenes = [
        {"title": group[0].caption, "content": scene([_shown(m) for m in group], form.skeleton, form.fps)}
        for group in groups
    ]
    for start in range(0, len(scenes), _A_PAGE):
        part = "" if len(scenes) <= _A_PAGE else f"-page-{start // _A_PAGE + 1}"
        path = out / f"{name}{part}.html"
        yield write_player("Generated motions", scenes[start : start + _A_PAGE], path, about=about)


def _shown(motion: GeneratedMotion) -> Shown:
    label = motion.backbone if motion.repeat is None else f"{motion.backbone} {motion.repeat + 1}"
    return Shown(label, motion.joints.numpy(), motion.caption)


def _told(model: dict[str, object]) -> str:
    projector = model["projector"]
    return f"{model['steps']} steps, guidance {model['guidance']}, projector: {projector or 'none'}"


def _renumbered(name: str, first: int) -> str:
    number, _, rest = name.partition("-")
    return f"{int(number) + first:03d}-{rest}"
