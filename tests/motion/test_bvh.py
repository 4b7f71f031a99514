"""BVH files: hierarchies, channels, errors with line numbers, forward kinematics and resampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from leadbench.core.errors import ConfigError, MotionFileError
from leadbench.motion.bvh import SkeletalMotion, local_motion, read_bvh, slerp

ARM = """HIERARCHY
ROOT hip
{
  OFFSET 0 1 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT upper arm
  {
    OFFSET 2 0 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    JOINT hand
    {
      OFFSET 3 0 0
      End Site
      {
        OFFSET 0.5 0 0
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
1 2 3 0 0 0 0 0 0
1 2 3 0 0 90 0 0 90
"""


def read(tmp_path: Path, text: str) -> SkeletalMotion:
    return local_motion(read_bvh(write(tmp_path, text)))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "clip.bvh"
    path.write_bytes(text.encode())
    return path


def test_reads_a_hierarchy(tmp_path: Path) -> None:
    bvh = read_bvh(write(tmp_path, ARM))
    assert bvh.names == ("hip", "upper arm", "hand")
    assert bvh.parents == (-1, 0, 1)
    assert [len(channels) for channels in bvh.channels] == [6, 3, 0]
    assert bvh.values.shape == (2, 9)
    assert bvh.frame_time == 0.05
    (joint, offset) = bvh.end_sites[0]
    assert (joint, offset.tolist()) == (2, [0.5, 0, 0])


def test_forward_kinematics_by_hand(tmp_path: Path) -> None:
    positions = read(tmp_path, ARM).positions()
    np.testing.assert_allclose(positions[0], [[1, 2, 3], [3, 2, 3], [6, 2, 3]], atol=1e-12)
    # a quarter turn about y takes +x to -z; then the arm turns a quarter about its own z, from -z to +y
    np.testing.assert_allclose(positions[1], [[1, 2, 3], [1, 2, 1], [1, 5, 1]], atol=1e-12)


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_angles_apply_in_channel_order(tmp_path: Path, order: str) -> None:
    angles = {"X": 20.0, "Y": -50.0, "Z": 110.0}
    text = ARM.replace("Zrotation Xrotation Yrotation", " ".join(f"{a}rotation" for a in order))
    row = "0 0 0 " + " ".join(str(angles[a]) for a in order) + " 0 0 0"
    text = text.replace("1 2 3 0 0 0 0 0 0", row)
    expected = np.eye(3)
    for axis in order:
        vector = np.radians(angles[axis]) * np.eye(3)["XYZ".index(axis)]
        expected = expected @ Rotation.from_rotvec(vector).as_matrix()
    np.testing.assert_allclose(read(tmp_path, text).positions()[0, 1], expected @ [2, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "\ufeff" + t,
        lambda t: t + "\n\n  \n",
        lambda t: t.replace("ROOT hip\n{", "root hip {").replace("End Site", "END SITE").replace("MOTION", "motion"),
        lambda t: t.replace("Frames: 2", "FRAMES:\t2").replace("rotation", "ROTATION"),
        lambda t: t.replace("1 2 3 0 0 0 0 0 0", "\t1.0  2e0 +3 -0 0 0 0 0 0 "),
    ],
)
def test_harmless_variants_read_the_same(tmp_path: Path, edit: object) -> None:
    expected = read(tmp_path, ARM).positions()
    np.testing.assert_array_equal(read(tmp_path, edit(ARM)).positions(), expected)  # type: ignore[operator]


def test_position_channels_replace_the_offset_axis_by_axis(tmp_path: Path) -> None:
    text = ARM.replace("3 Yrotation Xrotation Zrotation", "2 Yposition Zrotation")
    text = text.replace("0 0 0 0 0 0\n", "0 0 0 7 0\n").replace("0 0 90 0 0 90", "0 0 0 7 90")
    positions = read(tmp_path, text).positions()
    np.testing.assert_allclose(positions[0, 1], [3, 9, 3])
    np.testing.assert_allclose(positions[1, 2], [3, 12, 3], atol=1e-12)


def test_several_roots(tmp_path: Path) -> None:
    text = ARM.replace("MOTION", "ROOT prop\n{\nOFFSET 4 5 6\nCHANNELS 1 Xrotation\n}\nMOTION")
    text = text.replace("0 0 0 0 0 0\n", "0 0 0 0 0 0 0\n").replace("0 0 90 0 0 90", "0 0 90 0 0 90 33")
    motion = read(tmp_path, text)
    assert motion.parents == (-1, 0, 1, -1)
    np.testing.assert_allclose(motion.positions()[:, 3], [[4, 5, 6]] * 2)


def test_deep_hierarchies_need_no_recursion(tmp_path: Path) -> None:
    depth = 3000
    opened = "".join(f"{'JOINT' if i else 'ROOT'} j{i}\n{{\nOFFSET 0 1 0\n" for i in range(depth))
    text = f"HIERARCHY\n{opened}CHANNELS 1 Xrotation\n{'}' * depth}\nMOTION\nFrames: 1\nFrame Time: 1\n0\n"
    text = text.replace("}" * depth, " ".join("}" * depth))
    assert read(tmp_path, text).positions()[0, -1, 1] == depth


@pytest.mark.parametrize(
    ("edit", "line", "words"),
    [
        (lambda t: t.replace("HIERARCHY", "HIERACHY"), 1, "HIERARCHY"),
        (lambda t: t.replace("OFFSET 2 0 0", "OFFSET 2 zero 0"), 8, "'zero' is not a number"),
        (lambda t: t.replace("OFFSET 2 0 0", "OFFSET 2 nan 0"), 8, "not finite"),
        (lambda t: t.replace("OFFSET 2 0 0", "OFFSET 2 0"), 9, "'CHANNELS' is not a number"),
        (lambda t: t.replace("CHANNELS 3", "CHANNELS three"), 9, "number of channels 'three'"),
        (lambda t: t.replace("CHANNELS 3", "CHANNELS 2"), 9, "where JOINT, End Site or } is needed"),
        (lambda t: t.replace("Yrotation Xrotation Zrotation", "Yrotation Yrotation Zrotation"), 9, "at most once"),
        (lambda t: t.replace("Yrotation Xrotation Zrotation", "Yrotation Wrotation Zrotation"), 9, "wrotation"),
        (lambda t: t.replace("JOINT hand", "JOINT hip"), 10, "'hip' is defined twice"),
        (lambda t: t.replace("JOINT hand", "JOINT"), 11, "no name"),
        (lambda t: t.replace("}\nMOTION", "MOTION"), 18, "hierarchy ends"),
        (lambda t: t.replace("}\nMOTION", "}\n}\nMOTION"), 20, "where ROOT is needed"),
        (lambda t: t[: t.index("MOTION")], 19, "no MOTION"),
        (lambda t: t.replace("Frames: 2", "Frames: two"), 21, "'two' is not a positive whole number"),
        (lambda t: t.replace("Frames: 2", "Frames: 0"), 21, "not a positive whole number"),
        (lambda t: t.replace("Frames: 2\n", ""), 21, "Frames: <number>"),
        (lambda t: t.replace("Frame Time: 0.05", "Frame Time: 0"), 22, "frame time '0'"),
        (lambda t: t.replace("Frame Time: 0.05", "Frame Time: nan"), 22, "frame time 'nan'"),
        (lambda t: t.replace("Frames: 2", "Frames: 4"), 24, "2 rows of values, but line 21 says 4 frames"),
        (lambda t: t.replace("0 0 90 0 0 90", "0 0 90 0 0"), 24, "8 values, but the hierarchy has 9 channels"),
        (lambda t: t.replace("0 0 90 0 0 90", "0 0 90 x 0 90"), 24, "'x' is not a number"),
        (lambda t: t.replace("0 0 90 0 0 90", "0 0 nan 0 0 90"), 24, "value 6 is nan"),
        (lambda t: t.replace("0 0 90 0 0 90", "0 0 1e999 0 0 90"), 24, "value 6 is 1e999"),
    ],
)
def test_malformed_files_name_file_and_line(tmp_path: Path, edit: object, line: int, words: str) -> None:
    broken = edit(ARM)  # type: ignore[operator]
    assert broken != ARM
    path = write(tmp_path, broken)
    with pytest.raises(MotionFileError) as caught:
        read_bvh(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe binary", b"HIERARCHY\nMOTION\n"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.bvh"
    path.write_bytes(content)
    with pytest.raises(MotionFileError, match="line"):
        read_bvh(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MotionFileError, match=r"absent\.bvh: cannot be read"):
        read_bvh(tmp_path / "absent.bvh")


def spin(frames: int, fps: float, degrees_per_second: float) -> SkeletalMotion:
    """One joint that turns about y at a steady rate and moves along x at 1 unit a second."""
    time = np.arange(frames) / fps
    quats = Rotation.from_rotvec(np.radians(degrees_per_second) * time[:, None] * [0, 1, 0]).as_quat()
    return SkeletalMotion(("a",), (-1,), time[:, None, None] * [1.0, 0, 0], quats[:, None], fps)


@pytest.mark.parametrize("fps", [20.0, 30.0, 12.5, 50.0])
def test_resampling_a_steady_turn_is_exact(fps: float) -> None:
    found = spin(61, 30.0, 400.0).resampled(fps)
    expected = spin(len(found.rotations), fps, 400.0)
    assert len(found.rotations) == int(2 * fps) + 1
    np.testing.assert_allclose(found.translations, expected.translations, atol=1e-12)
    same = np.abs(np.sum(found.rotations * expected.rotations, axis=-1))
    np.testing.assert_allclose(same, 1, atol=1e-12)


def test_resampling_tolerates_a_rounded_frame_time() -> None:
    assert len(spin(61, 1 / 0.0333333, 10.0).resampled(20.0).rotations) == 41


def test_resampling_one_frame_and_refusing_nonsense() -> None:
    assert len(spin(1, 30.0, 10.0).resampled(20.0).rotations) == 1
    with pytest.raises(ConfigError, match="fps 0"):
        spin(3, 30.0, 10.0).resampled(0)


def test_slerp_takes_the_shorter_arc() -> None:
    start, end = Rotation.from_euler("y", [[10], [30]], degrees=True).as_quat()
    middle = Rotation.from_rotvec([0, np.radians(20), 0]).as_quat()
    for sign in (1, -1):
        np.testing.assert_allclose(slerp(start, sign * end, np.array([0.5])), middle, atol=1e-12)
    np.testing.assert_allclose(slerp(start, start, np.array([0.3])), start, atol=1e-15)


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_that_is_off_by_one_is_noted(tmp_path: Path, count: int) -> None:
    found = read_bvh(write(tmp_path, ARM.replace("Frames: 2", f"Frames: {count}")))
    assert len(found.values) == 2
    assert found.notes == (f"line 21 says {count} frames; its 2 complete rows are used",)
    assert read_bvh(write(tmp_path, ARM)).notes == ()


def test_namespaces_are_taken_off_where_names_stay_different(tmp_path: Path) -> None:
    plain = read_bvh(write(tmp_path, ARM)).names
    named = ARM.replace("ROOT hip", "ROOT actor:hip").replace("JOINT hand", "JOINT actor:hand")
    assert read_bvh(write(tmp_path, named)).names == plain
    two = ARM.replace("JOINT hand", "JOINT other:hip")
    assert "other:hip" in read_bvh(write(tmp_path, two)).names


@pytest.mark.parametrize("step", ["1e-9", "3600"])
def test_a_frame_time_of_no_camera_is_refused(tmp_path: Path, step: str) -> None:
    with pytest.raises(MotionFileError, match=f"line 22: frame time '{step}' is not allowed"):
        read_bvh(write(tmp_path, ARM.replace("Frame Time: 0.05", f"Frame Time: {step}")))


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    path.write_bytes(ARM.encode("utf-16"))
    with pytest.raises(MotionFileError, match="UTF-16"):
        read_bvh(path)
