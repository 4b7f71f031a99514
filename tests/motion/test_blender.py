"""What Blender makes of our files: it is far too large to depend on, so the test wants to be told where it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from moving_body import MILLIMETRE, body

from leadbench.core.skeleton import HUMANML3D, KIT, Skeleton
from leadbench.motion.bvh_writer import write_bvh
from leadbench.motion.gltf import write_glb
from leadbench.motion.rotations import rest_offsets, skeletal_motion

VARIABLE = "LEADBENCH_BLENDER"
PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "blender_read.py"

Seen = Callable[[Path, int, Skeleton], "np.lib.npyio.NpzFile"]


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    """What Blender saw of a file."""
    place = os.environ.get(VARIABLE, "")
    if not place:
        pytest.skip(f"{VARIABLE} is not set: Blender, or a Python with its package bpy")
    start = [place, "--background", "--factory-startup", "--python", str(PROGRAM), "--"]
    if "python" in Path(place).name:
        start = [place, str(PROGRAM)]

    def read(path: Path, fps: int, skeleton: Skeleton) -> np.lib.npyio.NpzFile:
        out = tmp_path / "seen.npz"
        subprocess.run([*start, path, str(fps), out, *skeleton.joint_names], check=True, capture_output=True)
        return np.load(out)

    return read


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_blender_sees_the_same_joints(skeleton: Skeleton, seen: Seen, tmp_path: Path) -> None:
    joints = body(skeleton)
    motion = skeletal_motion(joints, skeleton, skeleton.fps)
    bvh = seen(write_bvh(motion, rest_offsets(motion), tmp_path / "a.bvh"), 24, skeleton)
    np.testing.assert_allclose(bvh["joints"] / 100, joints, atol=MILLIMETRE)
    assert bvh["fps"] == pytest.approx(skeleton.fps, abs=1e-3)
    # a scene's rate is whole, so at a hundred frames a second every fifth or eighth is one of ours
    glb = seen(write_glb(motion, rest_offsets(motion), tmp_path / "a.glb"), 100, skeleton)
    np.testing.assert_allclose(glb["joints"][:: round(100 / skeleton.fps)], joints, atol=MILLIMETRE)
