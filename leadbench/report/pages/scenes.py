"""Motions as the player reads them: what is shown, packed as int16."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import Skeleton

_LEVELS = 65_535  # of int16


@dataclass(frozen=True, eq=False)
class Shown:
    """A motion on a page or in a video.

    Attributes:
        label: short, beside the figure.
        joints: [F, J, 3], in metres, Y up.
        caption: for those who cannot see it.
        place: motions of one place stand in each other; None: a place of its own.
        ghost: drawn translucent.
    """

    label: str
    joints: NDArray[np.floating]
    caption: str = ""
    place: str | None = None
    ghost: bool = False


def scene(shown: Sequence[Shown], skeleton: Skeleton, fps: float) -> dict[str, Any]:
    """What the player plays together; 196 frames of 22 joints are 26 kB before base64.

    Raises:
        DataError: no motion, or one of another shape.
        NonFiniteError: NaN or infinity.
    """
    if not shown:
        raise DataError("scene: no motion to show")
    return {
        "fps": fps,
        "skeleton": {
            "parents": list(skeleton.parents),
            "names": list(skeleton.joint_names),
            "left": list(skeleton.left_joints),
            "feet": list(skeleton.foot_joints),
            "head": skeleton.head_joint,
        },
        "figures": [_packed(motion, skeleton) for motion in shown],
    }


def as_json(content: Any) -> Markup:
    """JSON for a script element: nothing in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _packed(motion: Shown, skeleton: Skeleton) -> dict[str, Any]:
    joints = np.asarray(motion.joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.n_joints, 3) or not len(joints):
        raise DataError(
            f"motion {motion.label!r} has shape {joints.shape}; allowed: [F, {skeleton.n_joints}, 3], F >= 1"
        )
    if not np.isfinite(joints).all():
        raise NonFiniteError(f"motion {motion.label!r}: joints hold NaN or infinity")
    low, high = joints.min((0, 1)), joints.max((0, 1))
    step = np.maximum((high - low) / _LEVELS, 1e-9)
    offset = low + (_LEVELS // 2 + 1) * step
    values = np.rint((joints - offset) / step).clip(-32_768, 32_767).astype("<i2")
    return {
        "label": motion.label,
        "caption": motion.caption,
        "frames": len(joints),
        "offset": [round(float(value), 7) for value in offset],
        "step": [float(f"{value:.6g}") for value in step],
        "data": base64.b64encode(values.tobytes()).decode(),
        **({} if motion.place is None else {"place": motion.place}),
        **({"ghost": True} if motion.ghost else {}),
    }
