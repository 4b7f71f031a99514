"""Pose strips: motions as rows of stick figures over time, with their ground path, as one PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import Skeleton

Array = NDArray[np.float64]

# Okabe-Ito colours: told apart with any common colour vision, and by lightness in grey
LEFT, RIGHT, TRUNK = "#0072B2", "#E69F00", "#333333"
_AZIMUTH = np.deg2rad(30.0)  # a side view, turned a little to the front so that both arms show
_WIDTH = 14.0  # inches
_LABEL, _STRIP, _PATH = 0.10, 0.76, 0.12  # parts of the width
_TITLE_CHARACTERS, _LABEL_CHARACTERS = 150, 13


def draw_strip(
    motions: Mapping[str, Tensor | NDArray[np.floating]], path: str | Path, skeleton: Skeleton, *, poses: int = 10
) -> Path:
    """Draw one row of ``poses`` stick figures per motion and return the PNG's path.

    ``motions`` maps a label to joints [F, J, 3] (y up, floor at y = 0). The label stands left of its row; what
    follows a line break in it (a caption) becomes the row's title. Poses are equally spaced in time and shifted
    apart, seen from the person's front right at the start; the ground path of the root,
    from above with the start marked and the width of the box in the motions' unit, is at the end of the row. All
    rows share one scale.

    Raises DataError for no motion, a wrong shape or ``poses`` < 1, and NonFiniteError for NaN or infinite joints.
    """
    if not motions or poses < 1:
        raise DataError(f"draw_strip: {len(motions)} motions, {poses} poses; allowed: at least 1 of each")
    rows = {label: _joints(label, values, skeleton) for label, values in motions.items()}
    chosen = {label: _spread(joints, poses) for label, joints in rows.items()}
    spacing, top = _extents([rows[label][frames] for label, frames in chosen.items()])
    reach = max(_path_reach(joints) for joints in rows.values())

    titles = {label: textwrap.fill(" ".join(label.split("\n")[1:]), _TITLE_CHARACTERS) for label in rows}
    units = _STRIP * _WIDTH / (spacing * poses)  # inches per unit of length
    heights = [top * 1.12 * units + 0.30 + 0.22 * (t.count("\n") + 1 if t else 0) for t in titles.values()]
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.32))
    FigureCanvasAgg(figure)
    total, upper = figure.get_figheight(), figure.get_figheight() - 0.26
    _legend(figure)
    for (label, joints), height in zip(rows.items(), heights, strict=True):
        upper -= height
        body = top * 1.12 * units
        strip = figure.add_axes((_LABEL, (upper + 0.24) / total, _STRIP, body / total))
        _draw_poses(strip, joints, chosen[label], skeleton, spacing)
        strip.set(xlim=(-spacing / 2, spacing * (poses - 0.5)), ylim=(-0.06 * top, 1.06 * top))
        strip.set_title(titles[label], loc="left", fontsize=9, color=TRUNK, pad=3)
        name = textwrap.fill(label.split("\n")[0], _LABEL_CHARACTERS)
        figure.text(0.008, (upper + 0.24 + body / 2) / total, name, va="center", fontsize=10, weight="bold")
        ground = figure.add_axes((_LABEL + _STRIP + 0.01, (upper + 0.24) / total, _PATH, body / total))
        _draw_path(ground, joints, chosen[label], reach)
    target = Path(path)
    figure.savefig(target, dpi=120, facecolor="white")
    return target


def _joints(label: str, values: Tensor | NDArray[np.floating], skeleton: Skeleton) -> Array:
    array = values.detach().cpu().double().numpy() if isinstance(values, torch.Tensor) else values.astype(np.float64)
    if array.ndim != 3 or array.shape[0] < 1 or array.shape[1:] != (skeleton.n_joints, 3):
        raise DataError(
            f"draw_strip: motion {label!r} has shape {array.shape}; allowed: [F, {skeleton.n_joints}, 3], F >= 1"
        )
    if not np.isfinite(array).all():
        raise NonFiniteError(f"draw_strip: motion {label!r} has NaN or infinite joints")
    return array


def _spread(joints: Array, poses: int) -> NDArray[np.intp]:
    frames = len(joints)
    return np.unique(np.linspace(0, frames - 1, min(poses, frames)).round().astype(np.intp))


def _project(joints: Array) -> Array:
    """Picture coordinates [..., 2] of joints [..., J, 3], each pose centred across; heights stay absolute."""
    across = np.cos(_AZIMUTH) * joints[..., 2] + np.sin(_AZIMUTH) * joints[..., 0]
    middle = (across.min(axis=-1, keepdims=True) + across.max(axis=-1, keepdims=True)) / 2
    return np.stack((across - middle, joints[..., 1]), axis=-1)


def _extents(shown: list[Array]) -> tuple[float, float]:
    flat = [_project(joints) for joints in shown]
    height = max(float(np.max(p[..., 1])) for p in flat)
    width = max(float(np.max(np.ptp(p[..., 0], axis=-1))) for p in flat)
    height = height if height > 0 else 1.0
    return max(1.12 * width, 0.45 * height), height * 1.06


def _path_reach(joints: Array) -> float:
    ground = joints[:, 0, :][:, [0, 2]]
    return max(float(np.max(np.ptp(ground, axis=0))) * 0.5, 0.5 * float(np.ptp(joints[0, :, 1])) + 1e-9)


def _draw_poses(axes: Axes, joints: Array, frames: NDArray[np.intp], skeleton: Skeleton, spacing: float) -> None:
    axes.axhline(0.0, color="#999999", linewidth=1.0, zorder=0)
    sided = set(skeleton.left_joints) | set(skeleton.right_joints)
    head = next(chain[-1] for chain in skeleton.kinematic_chains if not sided & set(chain))
    # far limbs first: the viewer stands at the person's right
    bones = [(j, p) for j, p in enumerate(skeleton.parents) if p >= 0]
    layers = ((skeleton.left_joints, LEFT, 2), ((), TRUNK, 3), (skeleton.right_joints, RIGHT, 4))
    for slot, frame in enumerate(frames):
        picture = _project(joints[frame]) + np.array([slot * spacing, 0.0])
        for members, colour, order in layers:
            lines = [picture[[p, j]] for j, p in bones if (j in members if members else j not in sided)]
            axes.add_collection(LineCollection(lines, colors=colour, linewidths=2.4, capstyle="round", zorder=order))
        axes.plot(*picture[head], marker="o", markersize=7, color=TRUNK, zorder=3)
        axes.annotate(
            f"{frame / skeleton.fps:.1f} s", (slot * spacing, 0.0), (0, -11), textcoords="offset points",
            ha="center", va="top", fontsize=7.5, color="#666666", annotation_clip=False,
        )  # fmt: skip
    axes.set_aspect("equal")
    axes.axis("off")


def _draw_path(axes: Axes, joints: Array, frames: NDArray[np.intp], reach: float) -> None:
    x, z = joints[:, 0, 0], joints[:, 0, 2]
    # same camera side as the figures: forward (+z) points right, the person's left (+x) points up
    axes.plot(z, x, color="#999999", linewidth=1.4, zorder=1)
    axes.plot(z[frames], x[frames], "o", color=TRUNK, markersize=2.8, zorder=2)
    axes.plot(z[0], x[0], "o", color="white", markeredgecolor=TRUNK, markersize=6.5, zorder=3)
    centre = (float(z.min() + z.max()) / 2, float(x.min() + x.max()) / 2)
    axes.set(xlim=(centre[0] - 1.15 * reach, centre[0] + 1.15 * reach))
    axes.set(ylim=(centre[1] - 1.15 * reach, centre[1] + 1.15 * reach))
    axes.set_aspect("equal")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color("#DDDDDD")
    axes.annotate(
        f"{2 * reach * 1.15:.1f} wide", (1, 0), (0, -4), xycoords="axes fraction", textcoords="offset points",
        ha="right", va="top", fontsize=7.5, color="#666666",
    )  # fmt: skip


def _legend(figure: Figure) -> None:
    entries = {"left limbs": LEFT, "right limbs": RIGHT, "trunk": TRUNK}
    handles = [Line2D([], [], color=c, linewidth=2.4, label=name) for name, c in entries.items()]
    circle = Line2D([], [], color="#999999", marker="o", markerfacecolor="white", markeredgecolor=TRUNK)
    circle.set_label("path from above, start marked")
    handles.append(circle)
    figure.legend(handles=handles, loc="upper right", ncols=4, frameon=False, fontsize=8.5, borderaxespad=0.2)
