"""Files for animation tools, read back by libraries that are not ours."""

from __future__ import annotations

from pathlib import Path

import bvhio
import imageio_ffmpeg
import numpy as np
import pygltflib
import pytest
from moving_body import MILLIMETRE, body
from PIL import Image
from scipy.spatial.transform import Rotation

from leadbench.core.errors import ConfigError, DataError, NonFiniteError
from leadbench.core.skeleton import HUMANML3D, KIT, Skeleton
from leadbench.motion.bvh import local_motion, read_bvh
from leadbench.motion.bvh_writer import write_bvh
from leadbench.motion.gltf import write_glb
from leadbench.motion.rotations import rest_offsets, skeletal_motion
from leadbench.report.figures.video import draw_video
from leadbench.report.pages.scenes import Shown


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_kinematics_give_the_joints_back(skeleton: Skeleton) -> None:
    joints = body(skeleton)
    motion = skeletal_motion(joints, skeleton, skeleton.fps)
    np.testing.assert_allclose(motion.positions(), joints, atol=1e-12)
    assert np.all(np.sum(motion.rotations[1:] * motion.rotations[:-1], axis=-1) > 0)


def test_a_rigid_body_needs_no_moving_offsets() -> None:
    """Where bones keep their length and shape, all motion is in the rotations."""
    pose = body(HUMANML3D, 1)[0]
    turns = Rotation.from_euler("y", np.linspace(0, 2, 12)[:, None])
    joints = np.stack([turn.apply(pose - pose[0]) + pose[0] for turn in turns])
    motion = skeletal_motion(joints, HUMANML3D, 20.0)
    np.testing.assert_allclose(
        motion.translations[:, 1:], np.broadcast_to(rest_offsets(motion)[1:], (12, 21, 3)), atol=1e-9
    )
    local = Rotation.from_quat(motion.rotations[:, 0])
    angles = (local[1:] * local[:-1].inv()).as_rotvec()
    np.testing.assert_allclose(angles, np.broadcast_to([0, 2 / 11, 0], (11, 3)), atol=1e-9)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_bvh_is_read_back_by_our_reader_and_by_bvhio(skeleton: Skeleton, tmp_path: Path) -> None:
    joints = body(skeleton)
    motion = skeletal_motion(joints, skeleton, skeleton.fps)
    path = write_bvh(motion, rest_offsets(motion), tmp_path / "a.bvh")
    ours = local_motion(read_bvh(path))
    order = [ours.names.index(name) for name in skeleton.joint_names]
    assert ours.fps == pytest.approx(skeleton.fps, abs=1e-5)
    np.testing.assert_allclose(ours.positions()[:, order] / 100, joints, atol=MILLIMETRE)
    root = bvhio.readAsHierarchy(str(path))
    for frame in (0, 11, 29):
        root.loadPose(frame)
        found = {joint.Name: np.array(list(joint.PositionWorld)) for joint, _, _ in root.layout()}
        theirs = np.stack([found[name] for name in skeleton.joint_names]) / 100
        np.testing.assert_allclose(theirs, joints[frame], atol=MILLIMETRE)


def accessor(content: pygltflib.GLTF2, number: int) -> np.ndarray:
    """Values of an accessor, as the format's specification lays them out."""
    about = content.accessors[number]
    view = content.bufferViews[about.bufferView]
    kind = {5126: "<f4", 5125: "<u4", 5121: "u1"}[about.componentType]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[about.type]
    start = view.byteOffset + (about.byteOffset or 0)
    return np.frombuffer(content.binary_blob(), kind, about.count * width, start).reshape(about.count, width)


def test_glb_animates_its_nodes_and_skin(tmp_path: Path) -> None:
    joints = body(HUMANML3D)
    motion = skeletal_motion(joints, HUMANML3D, 20.0)
    content = pygltflib.GLTF2().load(str(write_glb(motion, rest_offsets(motion), tmp_path / "a.glb", name="walk")))
    (animation,) = content.animations
    moved = {"translation": {}, "rotation": {}}
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        moved[channel.target.path][channel.target.node] = accessor(content, sampler.output)
        times = accessor(content, sampler.input)[:, 0]
    np.testing.assert_allclose(times, np.arange(30) / 20, atol=1e-6)
    world: dict[int, np.ndarray] = {}

    def visit(node: int, above: np.ndarray) -> None:
        local = np.tile(np.eye(4), (30, 1, 1))
        local[:, :3, :3] = Rotation.from_quat(moved["rotation"][node]).as_matrix()
        local[:, :3, 3] = moved["translation"][node]
        world[node] = above @ local
        for child in content.nodes[node].children:
            visit(child, world[node])

    root, skinned = content.scenes[content.scene].nodes
    visit(root, np.tile(np.eye(4), (30, 1, 1)))
    for node, name in enumerate(HUMANML3D.joint_names):
        assert content.nodes[node].name == name
        np.testing.assert_allclose(world[node][:, :3, 3], joints[:, node], atol=MILLIMETRE)
    # the skin: an end of a bone's body lies at the joint that it points to
    skin = content.skins[content.nodes[skinned].skin]
    inverse = accessor(content, skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    (primitive,) = content.meshes[0].primitives
    vertices, owners = (
        accessor(content, primitive.attributes.POSITION),
        accessor(content, primitive.attributes.JOINTS_0),
    )
    bones = [joint for joint, parent in enumerate(HUMANML3D.parents) if parent >= 0]
    for number, joint in enumerate(bones):
        tip, owner = np.append(vertices[6 * number + 5], 1.0), skin.joints[owners[6 * number + 5, 0]]
        placed = world[owner] @ inverse[owner] @ tip
        lengths = np.linalg.norm(motion.translations[:, joint], axis=-1)
        stretch = np.abs(lengths - np.linalg.norm(rest_offsets(motion)[joint])).max()
        assert np.linalg.norm(placed[:, :3] - joints[:, joint], axis=-1).max() < stretch + 0.05


def test_videos_have_every_frame(tmp_path: Path) -> None:
    shown = [Shown("long", body(HUMANML3D, 24)), Shown("short", body(HUMANML3D, 9, seed=1))]
    video = draw_video(shown, tmp_path / "a.mp4", HUMANML3D, 20.0, size=(160, 96))
    assert imageio_ffmpeg.count_frames_and_secs(str(video)) == (24, pytest.approx(1.2, abs=0.01))
    with Image.open(draw_video(shown, tmp_path / "a.gif", HUMANML3D, 20.0, size=(160, 96))) as picture:
        assert (picture.n_frames, picture.size) == (24, (160, 96))
        assert picture.info["duration"] == 50
        first = np.asarray(picture.convert("RGB"), dtype=int)
        picture.seek(12)
        assert np.abs(np.asarray(picture.convert("RGB"), dtype=int) - first).max() > 50  # it moves
    with pytest.raises(ConfigError, match=r"'.avi' is not allowed"):
        draw_video(shown, tmp_path / "a.avi", HUMANML3D, 20.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a.mp4"]


def test_what_is_no_motion() -> None:
    with pytest.raises(DataError, match="needed"):
        skeletal_motion(np.zeros((4, 21, 3)), HUMANML3D, 20.0)
    with pytest.raises(NonFiniteError):
        skeletal_motion(np.full((4, 22, 3), np.nan), HUMANML3D, 20.0)
    still = skeletal_motion(np.zeros((2, 22, 3)), HUMANML3D, 20.0)  # everything in one point
    np.testing.assert_allclose(still.positions(), 0.0, atol=1e-12)
