"""Biovision hierarchy (BVH) motion files: reading, resampling and forward kinematics.

The format is that of Meredith & Maddock, "Motion Capture File Formats Explained" (University of Sheffield, 2001),
section 4: rotation channels are Euler angles in degrees about the joint's own axes, applied in channel order.
Files in the wild give position channels to inner joints too; there they replace the OFFSET, axis by axis, and so
they do here for every joint, as in Blender's and Bandai Namco's own viewers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from leadbench.core.errors import ConfigError, MotionFileError
from leadbench.core.reading import reason

FloatArray = NDArray[np.float64]
_LEAST_FPS, _MOST_FPS = 1, 2000
_OFF = 1  # rows that "Frames:" may be wrong by
_CHANNELS = {f"{axis}{kind}".lower(): (kind, i) for kind in ("position", "rotation") for i, axis in enumerate("XYZ")}


@dataclass(frozen=True, eq=False)
class Bvh:
    """A parsed file. ``names``, ``parents`` (-1 for a root) and ``offsets`` [J, 3] describe the joints in file order;
    ``channels`` holds each joint's channel names in order, lower case; ``values`` [F, C] are positions in the file's
    unit and angles in degrees; ``end_sites`` are pairs of a joint index and an offset [3]; ``frame_time`` is in
    seconds; ``notes`` say what was put right in reading. Namespaces of names (``mixamo:Hips``) are taken off."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: FloatArray
    channels: tuple[tuple[str, ...], ...]
    end_sites: tuple[tuple[int, FloatArray], ...]
    frame_time: float
    values: FloatArray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SkeletalMotion:
    """Local transforms over time: ``translations`` [F, J, 3], in the file's unit, and ``rotations`` [F, J, 4], unit
    quaternions (x, y, z, w), each relative to the parent joint; ``fps`` in hertz."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    translations: FloatArray
    rotations: FloatArray
    fps: float

    def resampled(self, fps: float) -> SkeletalMotion:
        """The motion at another frame rate, from the first frame on: rotations by spherical linear interpolation
        along the shorter arc, translations linearly. The last sample lies at most 1 / fps before the last frame.
        Raises ConfigError when ``fps`` is not positive.
        """
        if not fps > 0:
            raise ConfigError(f"fps {fps} is not allowed: it must be positive")
        frames = len(self.translations)
        # 1e-4 frames of slack: 30 fps is commonly written as 0.0333333 s
        count = int(np.floor((frames - 1) * fps / self.fps + 1e-4)) + 1
        position = np.minimum(np.arange(count) * (self.fps / fps), frames - 1)
        low = np.minimum(position.astype(np.int64), max(frames - 2, 0))
        high = np.minimum(low + 1, frames - 1)
        weight = (position - low)[:, None, None]
        return replace(
            self,
            translations=(1 - weight) * self.translations[low] + weight * self.translations[high],
            rotations=slerp(self.rotations[low], self.rotations[high], weight),
            fps=fps,
        )

    def positions(self) -> FloatArray:
        """Global joint positions [F, J, 3] by forward kinematics."""
        local = Rotation.from_quat(self.rotations.reshape(-1, 4)).as_matrix().reshape(*self.rotations.shape[:2], 3, 3)
        turn, place = np.empty_like(local), np.empty_like(self.translations)
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                turn[:, joint], place[:, joint] = local[:, joint], self.translations[:, joint]
                continue
            turn[:, joint] = turn[:, parent] @ local[:, joint]
            moved = turn[:, parent] @ self.translations[:, joint, :, None]
            place[:, joint] = place[:, parent] + moved[..., 0]
        return place


def slerp(start: FloatArray, end: FloatArray, weight: FloatArray) -> FloatArray:
    """Spherical linear interpolation of unit quaternions [..., 4] along the shorter arc; ``weight`` [..., 1] in [0, 1].

    >>> slerp(np.array([0.0, 0, 0, 1]), np.array([0.0, 1, 0, 0]), np.array([0.5])).round(3).tolist()
    [0.0, 0.707, 0.0, 0.707]
    """
    dot = np.sum(start * end, axis=-1, keepdims=True)
    end = np.where(dot < 0, -end, end)
    angle = np.arccos(np.clip(np.abs(dot), -1.0, 1.0))
    sine = np.sin(angle)
    near = sine < 1e-6  # there the linear blend below is exact to rounding
    sine = np.where(near, 1.0, sine)
    a = np.where(near, 1 - weight, np.sin((1 - weight) * angle) / sine)
    b = np.where(near, weight, np.sin(weight * angle) / sine)
    mixed = a * start + b * end
    return np.asarray(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True))


def local_motion(bvh: Bvh) -> SkeletalMotion:
    """Channel values as local translations and rotations. Joints without rotation channels do not turn."""
    frames, joints = len(bvh.values), len(bvh.names)
    translations = np.broadcast_to(bvh.offsets, (frames, joints, 3)).copy()
    rotations = np.zeros((frames, joints, 4))
    rotations[..., 3] = 1.0
    column = 0
    for joint, names in enumerate(bvh.channels):
        order, angles = "", []
        for name in names:
            kind, axis = _CHANNELS[name]
            if kind == "position":
                translations[:, joint, axis] = bvh.values[:, column]
            else:
                order += "XYZ"[axis]
                angles.append(bvh.values[:, column])
            column += 1
        if order:
            rotations[:, joint] = _euler(order, np.stack(angles, axis=-1))
    return SkeletalMotion(bvh.names, bvh.parents, translations, rotations, 1.0 / bvh.frame_time)


def _euler(order: str, degrees: FloatArray) -> FloatArray:
    """Quaternions [F, 4] of intrinsic Euler angles [F, n]."""
    if len(order) == 1:  # scipy wants [F] or [F, 1] depending on its version; a rotation vector is plain
        vectors = np.zeros((len(degrees), 3))
        vectors[:, "XYZ".index(order)] = np.radians(degrees[:, 0])
        return np.asarray(Rotation.from_rotvec(vectors).as_quat())
    return np.asarray(Rotation.from_euler(order, degrees, degrees=True).as_quat())


def read_bvh(path: str | Path) -> Bvh:
    """Read a BVH file: any hierarchy, several roots, any channels, end sites, any frame time, any line ends.

    Raises MotionFileError, which names file and line, when the file cannot be read or does not follow the format.
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise MotionFileError(f"{path}: cannot be read ({reason(error)})") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MotionFileError(f"{path}: is UTF-16; needed: UTF-8 (save it as UTF-8, or: iconv -f utf-16 -t utf-8)")
    # names in another encoding are harmless here: joints are known by ASCII names
    return _Parser(str(path), raw.decode("utf-8-sig", errors="replace")).parse()


class _Parser:
    """Recursive-descent parser over (word, line number) pairs of the hierarchy, and over lines of the motion."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.start = next((i for i, line in enumerate(self.lines) if line.strip().upper() == "MOTION"), len(self.lines))
        self.words = [(w, i + 1) for i, line in enumerate(self.lines[: self.start]) for w in line.split()]
        self.next = 0
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[FloatArray] = []
        self.channels: list[tuple[str, ...]] = []
        self.ends: list[tuple[int, FloatArray]] = []
        self.notes: list[str] = []

    def fail(self, line: int, message: str) -> MotionFileError:
        return MotionFileError(f"{self.path}, line {line}: {message}")

    def word(self, wanted: str = "a word") -> str:
        if self.next >= len(self.words):
            raise self.fail(self.start, f"the hierarchy ends where {wanted} is needed")
        self.next += 1
        return self.words[self.next - 1][0]

    @property
    def line(self) -> int:
        """Line of the word read last."""
        return self.words[self.next - 1][1] if self.next else 1

    def expect(self, wanted: str) -> None:
        found = self.word(wanted)
        if found.upper() != wanted:
            raise self.fail(self.line, f"found {found!r} where {wanted} is needed")

    def parse(self) -> Bvh:
        self.expect("HIERARCHY")
        while self.next < len(self.words):
            self.expect("ROOT")
            self.joint(-1)
        if not self.names:
            raise self.fail(self.line, "the hierarchy has no ROOT")
        if self.start == len(self.lines):
            raise self.fail(max(self.start, 1), "there is no MOTION section")
        frame_time, values = self.motion(sum(len(c) for c in self.channels))
        return Bvh(
            names=_without_namespaces(self.names),
            parents=tuple(self.parents),
            offsets=np.stack(self.offsets),
            channels=tuple(self.channels),
            end_sites=tuple(self.ends),
            frame_time=frame_time,
            values=values,
            notes=tuple(self.notes),
        )

    def joint(self, parent: int) -> None:
        """One joint with its subtree; an explicit stack keeps deep hierarchies off Python's own."""
        open_joints = [self.open_joint(parent)]
        while open_joints:
            found = self.word("JOINT, End or }")
            if found.upper() == "JOINT":
                open_joints.append(self.open_joint(open_joints[-1]))
            elif found.upper() == "END":
                self.expect("SITE")
                self.expect("{")
                self.expect("OFFSET")
                self.ends.append((open_joints[-1], self.numbers(3)))
                self.expect("}")
            elif found == "}":
                open_joints.pop()
            else:
                raise self.fail(self.line, f"found {found!r} where JOINT, End Site or }} is needed")

    def open_joint(self, parent: int) -> int:
        words, line = [], self.line
        while (found := self.word("{")) != "{":
            words.append(found)
            line = self.line
        name = " ".join(words)
        if not name:
            raise self.fail(self.line, "a joint has no name")
        if name in self.names:
            raise self.fail(line, f"joint {name!r} is defined twice")
        self.names.append(name)
        self.parents.append(parent)
        self.expect("OFFSET")
        self.offsets.append(self.numbers(3))
        self.channels.append(self.channel_names())
        return len(self.names) - 1

    def channel_names(self) -> tuple[str, ...]:
        if self.next < len(self.words) and self.words[self.next][0].upper() != "CHANNELS":
            return ()
        self.expect("CHANNELS")
        count = self.word("a number of channels")
        if not count.isdecimal() or int(count) > len(_CHANNELS):
            raise self.fail(self.line, f"number of channels {count!r} is not allowed (0 to {len(_CHANNELS)})")
        found = tuple(self.word("a channel").lower() for _ in range(int(count)))
        bad = [name for name in found if name not in _CHANNELS]
        if bad or len(set(found)) != len(found):
            raise self.fail(self.line, f"channels {' '.join(found)}: each of Xposition .. Zrotation at most once")
        return found

    def numbers(self, count: int) -> FloatArray:
        found = []
        for _ in range(count):
            word = self.word("a number")
            try:
                found.append(float(word))
            except ValueError:
                raise self.fail(self.line, f"{word!r} is not a number") from None
        values = np.array(found)
        if not np.isfinite(values).all():
            raise self.fail(self.line, "an offset is not finite")
        return values

    def header(self, line: int, key: str) -> str:
        text = self.lines[line] if line < len(self.lines) else ""
        name, _, value = text.partition(":")
        if name.strip().lower() != key.lower() or not value.strip():
            raise self.fail(line + 1, f"found {text.strip()[:40]!r} where '{key}: <number>' is needed")
        return value.strip()

    def motion(self, columns: int) -> tuple[float, FloatArray]:
        body = [i for i in range(self.start + 1, len(self.lines)) if self.lines[i].strip()]
        first, second = (body + [len(self.lines)] * 2)[:2]
        count, step = self.header(first, "Frames"), self.header(second, "Frame Time")
        if not count.isdecimal() or int(count) == 0:
            raise self.fail(first + 1, f"number of frames {count!r} is not a positive whole number")
        try:
            frame_time = float(step)
        except ValueError:
            frame_time = 0.0
        if not 1 / _MOST_FPS <= frame_time <= 1 / _LEAST_FPS:
            raise self.fail(
                second + 1,
                f"frame time {step!r} is not allowed: seconds a frame, of {_LEAST_FPS} to {_MOST_FPS} frames a second",
            )
        rows = body[2:]
        if abs(len(rows) - int(count)) > _OFF or not rows:
            raise self.fail(
                len(self.lines),
                f"{len(rows)} rows of values, but line {first + 1} says {count} frames: cut off? (write "
                f"Frames: {len(rows)} there to read what is here)",
            )
        if len(rows) != int(count):  # some exporters count without the first frame
            self.notes.append(f"line {first + 1} says {count} frames; its {len(rows)} complete rows are used")
        return frame_time, self.rows(rows, columns)

    def rows(self, rows: list[int], columns: int) -> FloatArray:
        words: list[str] = []
        for row in rows:
            found = self.lines[row].split()
            if len(found) != columns:
                raise self.fail(row + 1, f"{len(found)} values, but the hierarchy has {columns} channels")
            words += found
        try:
            values: NDArray[Any] = np.fromiter(map(float, words), dtype=np.float64, count=len(words))
        except ValueError:
            at = next(i for i, word in enumerate(words) if not _is_number(word))
            raise self.fail(rows[at // columns] + 1, f"{words[at]!r} is not a number") from None
        finite = np.isfinite(values)
        if not finite.all():
            at = int(np.argmin(finite))
            raise self.fail(rows[at // columns] + 1, f"value {at % columns + 1} is {words[at]}, not a finite number")
        return values.reshape(len(rows), columns)


def _without_namespaces(names: list[str]) -> tuple[str, ...]:
    """Names after their last colon, as exporters of several characters write them, where they stay different."""
    short = [name.rpartition(":")[2].strip() or name for name in names]
    return tuple(short if len(set(short)) == len(short) else names)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
