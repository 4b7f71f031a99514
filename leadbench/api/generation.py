"""Motions of captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leadbench.core.contracts import Backbone, Projector
from leadbench.core.skeleton import get_skeleton
from leadbench.generation.formats import Form, check_formats
from leadbench.generation.generator import GeneratedMotion, GenerateRequest, Generator
from leadbench.generation.writing import write_files
from leadbench.report.figures.strips import draw_strip


def generate(
    backbone: Backbone,
    captions: str | Sequence[str],
    *,
    projector: Projector | None = None,
    frames: int | Sequence[int] = 120,
    count: int = 1,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 0,
) -> list[GeneratedMotion]:
    """Motions of captions, the same that ``leadbench generate`` writes.

    Args:
        captions: one or several.
        projector: realigns the latents before they are decoded; None: they stay as sampled.
        frames: length of every motion, or of each caption's: a multiple of 4 from 4 to 196.
        count: motions of each caption.
        steps: None: the backbone's default.
        guidance: scale; None: the backbone's default.
        seed: of the noise.

    Returns:
        Motions with raw features [F, D] and joints [F, J, 3] in metres, Y up.

    Raises:
        ConfigError: a length, or steps, that do not fit.
        LatentMismatchError: the projector belongs to another latent space.

    >>> from leadbench import generate, load_backbone
    >>> (motion,) = generate(load_backbone("motionlcm"), "a person walks forward", frames=40, steps=1)
    >>> tuple(motion.joints.shape)
    (40, 22, 3)
    """
    texts = (captions,) if isinstance(captions, str) else tuple(captions)
    lengths = frames if isinstance(frames, int) else tuple(frames)
    request = GenerateRequest(texts, frames=lengths, count=count, steps=steps, guidance=guidance, seed=seed)
    return Generator(backbone, projector).generate(request)


def save_motions(
    motions: Sequence[GeneratedMotion],
    folder: str | Path,
    formats: str | Sequence[str] = ("npy", "html"),
    *,
    skeleton: str = "humanml3d",
    fps: float | None = None,
) -> list[Path]:
    """Write motions as files, by their names; what ``leadbench generate --as`` writes.

    Args:
        formats: ``npy``, ``html`` (a page that plays them), ``bvh``, ``glb``, ``mp4``, ``gif``.
        skeleton: ``humanml3d`` (22 joints) or ``kit`` (21).
        fps: frames a second; None: the skeleton's.

    Returns:
        The files.

    Raises:
        UnknownNameError: no such format or skeleton.
        ConfigError: a format needs the extra ``export``.
        DataError: motions of another number of joints.
    """
    names = check_formats((formats,) if isinstance(formats, str) else tuple(formats))
    known = get_skeleton(skeleton)
    return list(write_files(motions, Form(known, known.fps if fps is None else fps), Path(folder), names))


def draw_motions(motions: Sequence[GeneratedMotion], file: str | Path, *, skeleton: str = "humanml3d") -> Path:
    """Draw motions below each other as strips of poses, PNG; what ``leadbench generate --strip`` draws.

    Args:
        skeleton: ``humanml3d`` (22 joints) or ``kit`` (21).

    Raises:
        UnknownNameError: no such skeleton.
        DataError: no motions, or motions of another number of joints.
    """
    shown = {f"{number}\n{motion.caption}": motion.joints for number, motion in enumerate(motions)}
    return draw_strip(shown, file, get_skeleton(skeleton))
