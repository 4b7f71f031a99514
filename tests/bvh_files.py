"""Small made-up BVH files with the joints, channels and file names of the Bandai-Namco Research motion dataset.

People walk, turn, run, raise a hand and wave, in several styles, for 2 to 4 seconds at 30 fps; nothing in them comes
from recorded motion.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Angles = dict[str, NDArray[np.float64]]

FPS = 30.0
ROTATIONS = ("Z", "X", "Y")
# joint, parent, offset in centimetres: upright, arms hanging, facing +z, so the person's left is +x
_TRUNK = (
    ("joint_Root", None, (0, 0, 0)), ("Hips", "joint_Root", (0, 91.5, 0)), ("Spine", "Hips", (0, 15.7, 0)),
    ("Chest", "Spine", (0, 9.0, 0)), ("Neck", "Chest", (0, 16.4, 0)), ("Head", "Neck", (0, 6.5, 0)),
)  # fmt: skip
_LIMBS = {
    "arm": (
        ("Shoulder", "Chest", (5.0, 13.0, 0)), ("UpperArm", "Shoulder", (5.3, 0, 0)),
        ("LowerArm", "UpperArm", (0, -24.3, 0)), ("Hand", "LowerArm", (0, -22.3, 0)),
    ),
    "leg": (
        ("UpperLeg", "Hips", (6.5, -2.2, 0)), ("LowerLeg", "UpperLeg", (0, -39.1, 0)),
        ("Foot", "LowerLeg", (0, -41.0, 0)), ("Toes", "Foot", (0, -5.0, 10.6)),
    ),
}  # fmt: skip
CONTENTS = ("walk", "walk-turn-left", "walk-turn-right", "run", "raise-up-right-hand", "wave-left-hand")
# style: pace, lean in degrees, swing
STYLES = {
    "normal": (1.0, 1.0, 1.0),
    "active": (1.3, 5.0, 1.4),
    "elderly": (0.7, 16.0, 0.6),
    "exhausted": (0.8, 9.0, 0.8),
}


def skeleton() -> list[tuple[str, str | None, tuple[float, float, float]]]:
    """(joint, parent, offset in centimetres) of every joint, depth first, as channels are in a file."""
    rows: list[tuple[str, str | None, tuple[float, float, float]]] = list(_TRUNK)
    for limb, letter in (("arm", "L"), ("arm", "R"), ("leg", "L"), ("leg", "R")):
        sign = 1 if letter == "L" else -1
        for name, parent, (x, y, z) in _LIMBS[limb]:
            above = parent if parent in ("Chest", "Hips") else f"{parent}_{letter}"
            rows.append((f"{name}_{letter}", above, (sign * x, y, z)))
    return rows


def write_bnr_like(folder: Path, clips: int, seed: int) -> list[Path]:
    """Write ``clips`` BVH files and their JSON labels into ``folder``; contents and styles take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(clips):
        rng = np.random.default_rng([seed, number])
        content = CONTENTS[number % len(CONTENTS)]
        style = list(STYLES)[number // len(CONTENTS) % len(STYLES)]
        path = folder / f"dataset-2_{content}_{style}_{number + 1:03d}.bvh"
        path.write_text(bvh_text(*clip(content, style, float(rng.uniform(2.2, 4.0)), rng)))
        labels = {"content": CONTENTS.index(content), "style": list(STYLES).index(style)}
        path.with_suffix(".json").write_text(json.dumps(labels))
        paths.append(path)
    return paths


def clip(
    content: str, style: str, seconds: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], dict[str, Angles]]:
    """Hip positions [F, 3] in centimetres, and angles in degrees of each turning joint by axis."""
    pace, lean, swing = STYLES[style]
    pace, lean = pace * rng.uniform(0.9, 1.1), lean + rng.uniform(-1, 1)
    time = np.arange(round(seconds * FPS)) / FPS
    angles: dict[str, Angles] = {"Spine": {"X": np.full_like(time, lean)}}
    for letter, sign in (("L", 1.0), ("R", -1.0)):
        angles[f"UpperArm_{letter}"] = {"Z": np.full_like(time, 8 * sign)}
        angles[f"LowerArm_{letter}"] = {"X": np.full_like(time, -15.0)}
    if content.startswith(("walk", "run")):
        return _travel(content, time, pace, swing, rng, angles), angles
    hips = np.tile([0.0, 91.5, 0.0], (len(time), 1)) + rng.uniform(-50, 50, 3) * [1, 0, 1]
    _raise_hand(content, time, pace, swing, rng, angles)
    return hips, angles


def _travel(
    content: str,
    time: NDArray[np.float64],
    pace: float,
    swing: float,
    rng: np.random.Generator,
    angles: dict[str, Angles],
) -> NDArray[np.float64]:
    speed = (280.0 if content == "run" else 110.0) * pace
    length = 78.0  # of a leg
    reach = np.radians(35.0 if content == "run" else 25.0) * min(1.2, 0.8 + 0.2 * swing)
    phase = speed / (4 * length * np.sin(reach)) * 2 * np.pi * time + rng.uniform(0, 2 * np.pi)
    for letter, shift in (("L", 0.0), ("R", np.pi)):
        angles[f"UpperLeg_{letter}"] = {"X": -np.degrees(reach) * np.sin(phase + shift)}
        angles[f"LowerLeg_{letter}"] = {"X": 8 + 40 * np.maximum(0, np.cos(phase + shift))}
        angles[f"UpperArm_{letter}"]["X"] = 22 * swing * np.sin(phase + shift)
    turn = {"walk-turn-left": 90.0, "walk-turn-right": -90.0}.get(content, 0.0) * rng.uniform(0.8, 1.2)
    start = rng.uniform(-180, 180)
    yaw = start + turn * np.clip((time / time[-1] - 0.3) / 0.4, 0, 1)
    angles["Hips"] = {"Y": yaw}
    ahead = np.stack([np.sin(np.radians(yaw)), np.zeros_like(yaw), np.cos(np.radians(yaw))], axis=-1)
    hips: NDArray[np.float64] = np.cumsum(ahead * speed / FPS, axis=0)
    hips[:, 1] = 89.5 + 1.5 * np.cos(2 * phase)
    return hips


def _raise_hand(
    content: str,
    time: NDArray[np.float64],
    pace: float,
    swing: float,
    rng: np.random.Generator,
    angles: dict[str, Angles],
) -> None:
    letter, sign = ("L", 1.0) if "left" in content else ("R", -1.0)
    share = time / time[-1]
    up = np.clip(np.minimum(share, 1 - share) / 0.25, 0, 1)
    up = up * up * (3 - 2 * up)
    top = rng.uniform(110, 165) * min(1.1, 0.7 + 0.3 * swing)
    angles[f"UpperArm_{letter}"]["Z"] = sign * (8 + (top - 8) * up)
    bend = rng.uniform(0, 40) * up
    if content.startswith("wave"):
        bend = bend + 30 * swing * up * np.sin(2 * np.pi * 1.5 * pace * time)
    angles[f"LowerArm_{letter}"]["Z"] = sign * bend


def bvh_text(hips: NDArray[np.float64], angles: dict[str, Angles]) -> str:
    """A file with six channels a joint, as the data set has."""
    rows = skeleton()
    values = []
    for name, _, offset in rows:
        place = hips if name == "Hips" else np.tile(np.array(offset, dtype=np.float64), (len(hips), 1))
        turns = [angles.get(name, {}).get(axis, np.zeros(len(hips))) for axis in ROTATIONS]
        values.append(np.column_stack([place, *turns]))
    lines = ["HIERARCHY", *_hierarchy(rows, rows[0][0], 0), "MOTION"]
    lines += [f"Frames:\t{len(hips)}", f"Frame Time:\t{1 / FPS:.7f}"]
    lines += [" ".join(f"{v:.5f}" for v in row) for row in np.concatenate(values, axis=1)]
    return "\n".join(lines) + "\n"


def _hierarchy(rows: list[tuple[str, str | None, tuple[float, float, float]]], name: str, depth: int) -> list[str]:
    tab = "\t" * depth
    offset = next(o for n, _, o in rows if n == name)
    children = [n for n, parent, _ in rows if parent == name]
    lines = [f"{tab}{'JOINT' if depth else 'ROOT'} {name}", f"{tab}{{", f"{tab}\tOFFSET {' '.join(map(str, offset))}"]
    channels = [f"{axis}position" for axis in "XYZ"] + [f"{axis}rotation" for axis in ROTATIONS]
    lines.append(f"{tab}\tCHANNELS 6 {' '.join(channels)} ")
    for child in children:
        lines += _hierarchy(rows, child, depth + 1)
    if not children:
        lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET 0.0 0.0 0.0", f"{tab}\t}}"]
    return [*lines, f"{tab}}}"]
