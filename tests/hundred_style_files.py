"""Small made-up files with the hierarchy, channels, frame rate and tables of 100STYLE; nothing in them is recorded.

Somebody stands in the T-pose of zero rotations, high above the floor, before and after the movement that
``Frame_Cuts.csv`` cuts out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FPS = 60.0
PADDING = 50
"""Frames before and after the movement."""
ALOFT = 1000.0
"""Height of the hips in centimetres in those frames."""
CODES = ("BR", "BW", "FR", "FW", "ID", "SR", "SW", "TR1", "TR2", "TR3")

# joint, parent, offset in centimetres: the T-pose facing +z, the left on +x
_CENTRE = (
    ("Hips", None, (0, 0, 0)), ("Chest", "Hips", (0, 10, 0)), ("Chest2", "Chest", (0, 11, 0)),
    ("Chest3", "Chest2", (0, 10, 0)), ("Chest4", "Chest3", (0, 10, 0)), ("Neck", "Chest4", (0, 14, 0)),
    ("Head", "Neck", (0, 9, 0)),
)  # fmt: skip
_ARM = (
    ("Collar", "Chest4", (3, 8, 0)), ("Shoulder", "Collar", (14, 0, 0)), ("Elbow", "Shoulder", (30, 0, 0)),
    ("Wrist", "Elbow", (25, 0, 0)),
)  # fmt: skip
_LEG = (
    ("Hip", "Hips", (8, 0, 0)), ("Knee", "Hip", (0, -42, 0)), ("Ankle", "Knee", (0, -41, 0)),
    ("Toe", "Ankle", (0, -7, 16)),
)  # fmt: skip

Row = tuple[str, str | None, tuple[float, float, float]]


def joints() -> list[Row]:
    """(joint, parent, offset) in the order of the files: trunk, right arm, left arm, right leg, left leg."""
    rows: list[Row] = list(_CENTRE)
    for limb, side in ((_ARM, "Right"), (_ARM, "Left"), (_LEG, "Right"), (_LEG, "Left")):
        sign = 1 if side == "Left" else -1
        for name, parent, (x, y, z) in limb:
            rows.append(
                (f"{side}{name}", parent if parent in ("Chest4", "Hips") else f"{side}{parent}", (sign * x, y, z))
            )
    return rows


def movement(
    code: str, seconds: float, start: float
) -> tuple[NDArray[np.float64], dict[str, dict[str, NDArray[np.float64]]]]:
    """Hips [F, 3] in centimetres, and angles in degrees by joint and axis, from a phase of the stride in radians on.

    The left arm hangs, the right one is stretched out.
    """
    time = np.arange(round(seconds * FPS)) / FPS
    speed = {"B": -1.0, "F": 1.0}.get(code[0], 0.0) * (280 if code[1] == "R" else 110)
    aside = 90.0 if code in ("SR", "SW") else 0.0
    phase = 2 * np.pi * 0.9 * time + start
    moving = float(code != "ID")
    hips = np.stack([aside * time, 89.0 + moving * np.cos(2 * phase) + 0.1 * start, speed * time], axis=-1)
    angles: dict[str, dict[str, NDArray[np.float64]]] = {"LeftShoulder": {"Z": np.full_like(time, -85.0)}}
    for side, shift in (("Left", 0.0), ("Right", np.pi)):
        angles[f"{side}Hip"] = {"X": -moving * 25 * np.sin(phase + shift)}
        angles[f"{side}Knee"] = {"X": moving * (8 + 40 * np.maximum(0, np.cos(phase + shift)))}
    return hips, angles


def bvh_text(code: str, seconds: float, unit: float = 1.0, start: float = 0.0) -> str:
    """A file whose lengths are multiplied by ``unit`` (1: centimetres)."""
    hips, angles = movement(code, seconds, start)
    frames = len(hips) + 2 * PADDING
    held = np.full((frames, 3), [0.0, ALOFT, 0.0])
    held[PADDING:-PADDING] = hips
    columns = [held * unit]
    for name, _, _ in joints():
        turns = np.zeros((frames, 3))
        for axis, values in angles.get(name, {}).items():
            turns[PADDING:-PADDING, "YXZ".index(axis)] = values
        columns.append(turns)
    lines = ["HIERARCHY", *_hierarchy("Hips", 0, unit), "MOTION", f"Frames: {frames}", f"Frame Time: {1 / FPS:.6f}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in np.concatenate(columns, axis=1)]
    return "\n".join(lines) + "\n"


def _hierarchy(name: str, depth: int, unit: float) -> list[str]:
    pad = " " * depth
    rows = joints()
    x, y, z = next(offset for joint, _, offset in rows if joint == name)
    places = "" if depth else "Xposition Yposition Zposition "
    lines = [f"{pad}{'JOINT' if depth else 'ROOT'} {name}", f"{pad}{{"]
    lines += [f"{pad} OFFSET {x * unit:.6f} {y * unit:.6f} {z * unit:.6f}"]
    lines += [f"{pad} CHANNELS {3 if depth else 6} {places}Yrotation Xrotation Zrotation"]
    children = [joint for joint, parent, _ in rows if parent == name]
    for child in children:
        lines += _hierarchy(child, depth + 1, unit)
    if not children:
        lines += [f"{pad} End Site", f"{pad} {{", f"{pad}  OFFSET 0.000000 5.000000 0.000000", f"{pad} }}"]
    return [*lines, f"{pad}}}"]


def write_hundred_style_like(folder: Path, clips: dict[str, dict[str, float]]) -> Path:
    """Write styles -> code -> seconds, with the table of cuts; codes that a style lacks are N/A there."""
    table = ["STYLE_NAME," + ",".join(f"{code}_START,{code}_STOP" for code in CODES)]
    for number, (style, movements) in enumerate(clips.items()):
        (folder / style).mkdir(parents=True, exist_ok=True)
        cells = []
        for code in CODES:
            if code in movements:
                (folder / style / f"{style}_{code}.bvh").write_text(bvh_text(code, movements[code], start=number))
                cells.append(f"{PADDING},{PADDING + round(movements[code] * FPS)}")
            else:
                cells.append("N/A,N/A")
        table.append(f"{style}," + ",".join(cells))
    (folder / "Frame_Cuts.csv").write_text("\r\n".join(table) + "\r\n")
    return folder
