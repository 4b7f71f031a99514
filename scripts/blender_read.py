"""Where Blender sees the joints of a BVH or glTF file: run by Blender or by a Python that has its module ``bpy``.

    python scripts/blender_read.py FILE FPS OUT.npz JOINT...

Written are the places [frames, joints, 3] of the bones' heads, Y up, in the file's unit, and the frame rate that a
scene has after a BVH file was opened in it (glTF has times instead, which are read at the rate that is given).
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix


def opened(path: Path, fps: int) -> bpy.types.Object:
    """The skeleton of a file, in a scene of its own."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = fps
    if path.suffix == ".bvh":
        bpy.ops.import_anim.bvh(filepath=str(path), update_scene_fps=True, update_scene_duration=True)
    else:
        bpy.ops.import_scene.gltf(filepath=str(path))
    (skeleton,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    return skeleton


def heads(skeleton: bpy.types.Object, names: list[str]) -> np.ndarray:
    """Heads of bones [frames, joints, 3] in the scene, Z up."""
    (action,) = bpy.data.actions
    first, last = (round(end) for end in action.frame_range)
    found = []
    for frame in range(first, last + 1):
        bpy.context.scene.frame_set(frame)
        place: Matrix = skeleton.matrix_world
        found.append([tuple(place @ skeleton.pose.bones[name].head) for name in names])
    return np.array(found)


def main() -> None:
    """Read, and write what was seen."""
    path, fps, out, *names = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    seen = heads(opened(Path(path), int(fps)), names)
    scene = bpy.context.scene
    np.savez(out, joints=seen[..., [0, 2, 1]] * (1, 1, -1), fps=scene.render.fps / scene.render.fps_base)


main()
