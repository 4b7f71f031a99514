"""Generated motions on disk, in each format that they can be written in.

A format's writer is imported when it is asked for: scipy's rotations and the video's drawing take half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leadbench.core.errors import unknown_name
from leadbench.core.files import replacing
from leadbench.core.skeleton import Skeleton
from leadbench.generation.generator import GeneratedMotion


@dataclass(frozen=True)
class Form:
    """A skeleton at a frame rate: what motions are motions of."""

    skeleton: Skeleton
    fps: float


Writer = Callable[[GeneratedMotion, Form, Path], Sequence[Path]]
"""Writes one motion beside a path without ending; returns the files."""


def _npy(motion: GeneratedMotion, form: Form, stem: Path) -> Sequence[Path]:
    """Features [F, D] and joints [F, J, 3]."""
    written = []
    for kind, values in (("features", motion.features), ("joints", motion.joints)):
        path = stem.parent / f"{stem.name}.{kind}.npy"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, values.numpy(), allow_pickle=False)
        written.append(path)
    return written


def _bvh(motion: GeneratedMotion, form: Form, stem: Path) -> Sequence[Path]:
    """Skeleton with rotations, in centimetres."""
    from leadbench.motion.bvh_writer import write_bvh
    from leadbench.motion.rotations import rest_offsets, skeletal_motion

    skeletal = skeletal_motion(motion.joints.numpy(), form.skeleton, form.fps)
    return [write_bvh(skeletal, rest_offsets(skeletal), stem.parent / f"{stem.name}.bvh")]


def _glb(motion: GeneratedMotion, form: Form, stem: Path) -> Sequence[Path]:
    """Animated skeleton with a body, glTF binary."""
    from leadbench.motion.gltf import write_glb
    from leadbench.motion.rotations import rest_offsets, skeletal_motion

    skeletal = skeletal_motion(motion.joints.numpy(), form.skeleton, form.fps)
    return [write_glb(skeletal, rest_offsets(skeletal), stem.parent / f"{stem.name}.glb", name=motion.caption)]


def _mp4(motion: GeneratedMotion, form: Form, stem: Path) -> Sequence[Path]:
    """Video."""
    return [_drawn(motion, form, stem.parent / f"{stem.name}.mp4")]


def _gif(motion: GeneratedMotion, form: Form, stem: Path) -> Sequence[Path]:
    """Animated picture."""
    return [_drawn(motion, form, stem.parent / f"{stem.name}.gif")]


def _drawn(motion: GeneratedMotion, form: Form, path: Path) -> Path:
    from leadbench.report.figures.video import draw_video
    from leadbench.report.pages.scenes import Shown

    shown = Shown(motion.caption, motion.joints.numpy())
    return draw_video([shown], path, form.skeleton, form.fps)


WRITERS: Mapping[str, Writer] = {"npy": _npy, "bvh": _bvh, "glb": _glb, "mp4": _mp4, "gif": _gif}
PAGE = "html"
FORMATS = (*WRITERS, PAGE)
"""What ``--as`` takes; ``html`` is one page for all motions, the others a file or two for each."""


def check_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Formats without repetition.

    Raises:
        UnknownNameError: no such format.
    """
    for name in names:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS, where="--as")
    return tuple(dict.fromkeys(names))
