"""Motions as a video (MP4) or an animated picture (GIF)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from leadbench.core.errors import ConfigError
from leadbench.core.files import replacing
from leadbench.core.skeleton import Skeleton
from leadbench.report.pages.scenes import Shown

Array = NDArray[np.float64]
SIZE = (640, 400)
_SMOOTH = 2  # drawn larger and scaled down
_COLORS = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#ec4899", "#84cc16")
_PALER = 0.45  # how far the left side is on the way to white
_FIELD = np.deg2rad(38.0)
_FILLED = 0.82  # of the picture's half width and height
_NEAREST = 2.0  # metres
_GAP = 1.1  # metres between the ranges of two figures


def draw_video(
    shown: Sequence[Shown], path: Path, skeleton: Skeleton, fps: float, *, size: tuple[int, int] = SIZE
) -> Path:
    """Draw motions beside each other, all frames of the longest; shorter ones rest in their last pose.

    Args:
        shown: what is drawn.
        path: ``.mp4`` (H.264, through ffmpeg) or ``.gif``; written whole or not at all.
        skeleton: of all motions.
        fps: of motions and video; GIF rounds a frame to hundredths of a second.
        size: width and height in pixels, even numbers.

    Raises:
        ConfigError: another ending, or no ffmpeg for an MP4.
    """
    frames = _frames(shown, skeleton, size)
    if path.suffix == ".gif":
        pictures = [Image.fromarray(frame) for frame in frames]
        with replacing(path) as temporary:
            pictures[0].save(
                temporary, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0
            )
        return path
    if path.suffix != ".mp4":
        raise ConfigError(f"video {path}: ending {path.suffix!r} is not allowed (allowed: .mp4, .gif)")
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped,unused-ignore]
    except ImportError as exc:
        raise ConfigError("MP4 needs ffmpeg (pip install 'leadbench[export]')") from exc
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary), size, fps=fps, codec="libx264", output_params=["-f", "mp4"], macro_block_size=2
        )
        writer.send(None)
        for frame in frames:
            writer.send(frame.tobytes())
        writer.close()
    return path


def _frames(shown: Sequence[Shown], skeleton: Skeleton, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    placed = _beside(shown)
    length = max(map(len, placed))
    camera = _Camera.around(placed, size)
    for frame in range(length):
        picture = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), "#f7f8fa")
        pen = ImageDraw.Draw(picture)
        _floor(pen, camera, placed)
        bodies = [(motion[min(frame, len(motion) - 1)], index) for index, motion in enumerate(placed)]
        for joints, index in sorted(bodies, key=lambda body: -float(camera.depth(body[0]).mean())):
            _body(pen, camera, joints, skeleton, _COLORS[index % len(_COLORS)], shown[index].label)
        yield np.asarray(picture.resize(size, Image.Resampling.BOX))


def _beside(shown: Sequence[Shown]) -> list[Array]:
    """Motions [F, J, 3] that start at z = 0 and do not walk through each other."""
    placed, edge = [], 0.0
    for motion in shown:
        joints = np.asarray(motion.joints, dtype=np.float64)
        joints = joints - joints[0, 0] * np.array([1.0, 0.0, 1.0])
        across = joints[:, 0, 0]
        joints = joints + np.array([edge - across.min(), 0.0, 0.0])
        edge += float(np.ptp(across)) + _GAP
        placed.append(joints)
    return placed


class _Camera:
    """A perspective view from the front, a little to the right and above."""

    def __init__(self, eye: Array, target: Array, size: tuple[int, int]) -> None:
        forward = (target - eye) / np.linalg.norm(target - eye)
        side = np.cross(forward, [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        self.axes = np.stack([side, np.cross(side, forward), forward])
        self.eye = eye
        self.middle = np.array(size) * _SMOOTH / 2
        self.scale = size[1] * _SMOOTH / 2 / np.tan(_FIELD / 2)

    @staticmethod
    def around(placed: Sequence[Array], size: tuple[int, int]) -> _Camera:
        """The nearest place from which all motions are seen whole, with room for their labels."""
        joints = np.concatenate([motion[::4].reshape(-1, 3) for motion in placed])
        low, high = joints.min(0), joints.max(0)
        target = (low + high) / 2
        target[1] = 0.85
        corners = np.array(
            [[x, y, z] for x in (low[0], high[0]) for y in (0.0, max(high[1], 1.7)) for z in (low[2], high[2])]
        )
        distance = _NEAREST
        while True:
            camera = _Camera(target + distance * np.array([0.25, 0.3, 0.92]), target, size)
            seen = np.abs(camera.project(corners) / camera.middle - 1)
            if camera.depth(corners).min() > 0.5 and seen.max() < _FILLED:
                return camera
            distance *= 1.05

    def depth(self, points: Array) -> Array:
        """Distance of points [..., 3] along the line of sight."""
        return np.asarray((points - self.eye) @ self.axes[2])

    def project(self, points: Array) -> Array:
        """Pixels [..., 2] of points [..., 3]."""
        seen = (points - self.eye) @ self.axes.T
        flat = seen[..., :2] / np.maximum(seen[..., 2:], 0.05) * self.scale
        return np.asarray(self.middle + flat * np.array([1.0, -1.0]))


def _floor(pen: ImageDraw.ImageDraw, camera: _Camera, placed: Sequence[Array]) -> None:
    roots = np.concatenate([motion[:, 0] for motion in placed])
    low, high = np.floor(roots.min(0)) - 2, np.ceil(roots.max(0)) + 2
    for x in np.arange(low[0], high[0] + 1):
        _line(pen, camera.project(np.array([[x, 0, low[2]], [x, 0, high[2]]])), "#d5dae0", 2)
    for z in np.arange(low[2], high[2] + 1):
        _line(pen, camera.project(np.array([[low[0], 0, z], [high[0], 0, z]])), "#d5dae0", 2)


def _body(pen: ImageDraw.ImageDraw, camera: _Camera, joints: Array, skeleton: Skeleton, color: str, label: str) -> None:
    where, depth = camera.project(joints), camera.depth(joints)
    width = 0.055 * camera.scale / np.maximum(depth, 0.05)
    paler = _mixed(color, _PALER)
    bones = [(joint, parent) for joint, parent in enumerate(skeleton.parents) if parent >= 0]
    for joint, parent in sorted(bones, key=lambda bone: -depth[bone[0]]):
        shade = paler if joint in skeleton.left_joints else color
        _line(pen, where[[parent, joint]], shade, float(width[joint]))
        for end in (parent, joint):
            _ball(pen, where[end], float(width[end]) / 2, shade)
    head = skeleton.head_joint
    _ball(pen, where[head], float(width[head]) * 1.8, color)
    pen.text(tuple(where[head] - [0, 5.5 * width[head]]), label, fill="#1b1f24", anchor="ms", font_size=15 * _SMOOTH)


def _line(pen: ImageDraw.ImageDraw, ends: Array, color: str, width: float) -> None:
    pen.line([tuple(end) for end in ends], fill=color, width=max(1, round(width)))


def _ball(pen: ImageDraw.ImageDraw, at: Array, radius: float, color: str) -> None:
    pen.ellipse((at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius), fill=color)


def _mixed(color: str, share: float) -> str:
    values = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(value + share * (255 - value)):02x}" for value in values)
