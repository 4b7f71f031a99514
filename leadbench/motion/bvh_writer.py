"""Writing of BVH, as Blender and other animation tools read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from leadbench.core.files import write_text_atomic
from leadbench.motion.bvh import SkeletalMotion

UNIT = 100.0  # a file's units in a metre: centimetres, as in most files
_CHANNELS = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
_END = 0.05  # metres: how far an end site stands from its joint


def write_bvh(motion: SkeletalMotion, offsets: NDArray[np.float64], path: Path) -> Path:
    """Write a motion, in centimetres and degrees.

    Every joint has positions and rotations, since bones of generated motions are not of constant length: readers that
    know positions of inner joints (Blender, :func:`leadbench.motion.bvh.read_bvh`) give the joints back exactly, others
    take the mean bone lengths.

    Args:
        motion: [F, J], translations in metres.
        offsets: of the rest pose [J, 3], in metres (:func:`leadbench.motion.rotations.rest_offsets`).
        path: of the file; written whole or not at all.
    """
    lines = ["HIERARCHY"]
    order: list[int] = []  # depth first, as the format wants it
    _joint(motion, offsets, motion.parents.index(-1), 0, lines, order)
    frames = len(motion.translations)
    angles = Rotation.from_quat(motion.rotations.reshape(-1, 4)).as_euler("ZXY").reshape(frames, -1, 3)
    angles = np.degrees(np.unwrap(angles, axis=0))
    values = np.concatenate([motion.translations * UNIT, angles], axis=-1)[:, order].reshape(frames, -1)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / motion.fps:.8f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in values]
    write_text_atomic(path, "\n".join(lines) + "\n")
    return path


def _joint(
    motion: SkeletalMotion, offsets: NDArray[np.float64], joint: int, depth: int, lines: list[str], order: list[int]
) -> None:
    order.append(joint)
    pad = "\t" * depth
    head = "ROOT" if depth == 0 else "JOINT"
    lines += [f"{pad}{head} {motion.names[joint]}", pad + "{", f"{pad}\tOFFSET {_written(offsets[joint])}"]
    lines.append(f"{pad}\t{_CHANNELS}")
    children = [child for child, parent in enumerate(motion.parents) if parent == joint]
    for child in children:
        _joint(motion, offsets, child, depth + 1, lines, order)
    if not children:
        length = np.linalg.norm(offsets[joint])
        end = offsets[joint] / length * _END if length > 0 else np.array([0.0, _END, 0.0])
        lines += [f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {_written(end)}", pad + "\t}"]
    lines.append(pad + "}")


def _written(offset: NDArray[np.float64]) -> str:
    return " ".join(f"{UNIT * value:.6f}" for value in offset)
