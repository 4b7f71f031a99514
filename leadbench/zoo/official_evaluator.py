"""The official evaluator checkpoint (``finest.tar`` of text-to-motion) in our modules.

The archive holds ``text_encoder``, ``movement_encoder`` and ``motion_encoder`` state dicts, and training
state that is not needed. Names map one to one; every tensor of the three must be used, and none may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadbench.core.config import EvaluatorConfig
from leadbench.core.errors import LeadbenchError, WeightsError
from leadbench.core.reading import read_array
from leadbench.core.skeleton import Skeleton
from leadbench.core.tensors import MotionSpec
from leadbench.nn.evaluator import CONTACTS, EvaluatorNetworks
from leadbench.zoo.checkpoint import read_checkpoint
from leadbench.zoo.shapes import Axes, require_tensors
from leadbench.zoo.state_dict import require_finite, without_wrappers

_GRU = [
    f"{kind}_l0{direction}"
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    for direction in ("", "_reverse")
]


def _linear(official: str, ours: str) -> dict[str, str]:
    return {f"{official}.{part}": f"{ours}.{part}" for part in ("weight", "bias")}


def _sequence_names(ours: str) -> dict[str, str]:
    names = {"hidden": f"{ours}.start", **_linear("input_emb", f"{ours}.input")}
    names.update({f"gru.{name}": f"{ours}.gru.{name}" for name in _GRU})
    for layer in (0, 1, 3):
        names.update(_linear(f"output_net.{layer}", f"{ours}.head.{layer}"))
    return names


OFFICIAL_NAMES: dict[str, dict[str, str]] = {
    "text_encoder": {**_linear("pos_emb", "text.part_of_speech"), **_sequence_names("text.sequence")},
    "movement_encoder": {
        **_linear("main.0", "motion.movement.first"),
        **_linear("main.3", "motion.movement.second"),
        **_linear("out_net", "motion.movement.output"),
    },
    "motion_encoder": _sequence_names("motion.sequence"),
}
"""Entry of the checkpoint -> official tensor name -> our tensor name in :class:`EvaluatorNetworks`."""


def official_state_dict(checkpoint: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Rename the tensors of an official checkpoint to ours; other entries of the checkpoint are ignored.

    Args:
        checkpoint: ``text_encoder``, ``movement_encoder`` and ``motion_encoder``, each a state dict.

    Raises:
        WeightsError: an entry or a tensor is missing, is none, has another number of axes, or is not an official one.
    """
    state: dict[str, Tensor] = {}
    for entry, names in OFFICIAL_NAMES.items():
        if entry not in checkpoint:
            raise WeightsError(f"evaluator checkpoint has no entry {entry!r} (needs {', '.join(OFFICIAL_NAMES)})")
        tensors: Any = checkpoint[entry]
        where = f"evaluator checkpoint, {entry}"
        if not isinstance(tensors, Mapping):
            raise WeightsError(f"{where}: is {type(tensors).__name__}, needs to be a state dict")
        tensors = without_wrappers({str(name): tensor for name, tensor in tensors.items()})
        missing, unexpected = (
            sorted(map(str, left)) for left in (set(names) - set(tensors), set(tensors) - set(names))
        )
        if missing or unexpected:
            wrong = f"missing {missing or 'none'}, unknown {unexpected or 'none'}"
            raise WeightsError(f"{where}: {wrong}")
        require_tensors(tensors, {name: _axes(name) for name in names}, where)
        require_finite(tensors, where)
        for official, ours in names.items():
            # The official start state [2, 1, H] carries a batch axis of 1.
            state[ours] = tensors[official].squeeze(1) if official == "hidden" else tensors[official]
    return state


def _axes(official: str) -> Axes:
    """Numbers of axes of an official tensor: start states and kernels of convolutions have three."""
    if official == "hidden" or (official.startswith("main.") and official.endswith("weight")):
        return (3,)
    if official.startswith("output_net.1.") or "bias" in official:
        return (1,)  # a layer norm's
    return (2,)


def official_config(checkpoint: Mapping[str, Mapping[str, Tensor]]) -> EvaluatorConfig:
    """Read the sizes of an official checkpoint off its tensor shapes."""
    state = official_state_dict(checkpoint)
    word_width, pos_width = state["text.part_of_speech.weight"].shape
    movement_hidden, inputs, _ = state["motion.movement.first.weight"].shape
    return EvaluatorConfig(
        word_width=word_width,
        pos_width=pos_width,
        text_hidden=state["text.sequence.start"].shape[-1],
        features=inputs + CONTACTS,
        movement_hidden=movement_hidden,
        movement_width=state["motion.movement.second.weight"].shape[0],
        motion_hidden=state["motion.sequence.start"].shape[-1],
        embedding=state["text.sequence.head.3.weight"].shape[0],
    )


def official_evaluator(checkpoint: Mapping[str, Mapping[str, Tensor]]) -> EvaluatorNetworks:
    """Build the evaluator that an official checkpoint describes, in eval mode.

    Raises:
        WeightsError: names or shapes do not fit together.
    """
    networks = EvaluatorNetworks(official_config(checkpoint))
    try:
        networks.load_state_dict(official_state_dict(checkpoint), strict=True)
    except RuntimeError as error:
        raise WeightsError(f"evaluator checkpoint: {' '.join(str(error).split())}") from error
    return networks.eval()


def load_official_evaluator(path: Path) -> EvaluatorNetworks:
    """Read ``finest.tar`` safely (tensors and plain containers only, nothing is executed).

    Raises:
        WeightsError: the file is missing, unsafe, or not an official evaluator checkpoint.
    """
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f"evaluator checkpoint {path.name} holds {type(checkpoint).__name__}, not a mapping")
    return official_evaluator(checkpoint)


@dataclass(frozen=True)
class EvaluatorFiles:
    """Official evaluator of a dataset as text-to-motion, MLD and MotionLCM lay it out.

    Attributes:
        weights: ``text_mot_match/model/finest.tar``.
        mean, std: ``Comp_v6_KLD01/meta`` (HumanML3D) or ``Comp_v6_KLD005/meta`` (KIT-ML): the statistics that the
            evaluator was trained with, which are not the dataset's own.
    """

    weights: Path
    mean: Path
    std: Path


_META = {"humanml3d": "Comp_v6_KLD01", "kit": "Comp_v6_KLD005"}
_FOLDER = {"humanml3d": "t2m", "kit": "kit"}


def find_evaluator(folder: Path, skeleton: str) -> EvaluatorFiles:
    """The three files below ``folder``, or below its ``t2m`` or ``kit``; whether they exist is checked on reading.

    >>> find_evaluator(Path("deps"), "kit").mean.as_posix()
    'deps/Comp_v6_KLD005/meta/mean.npy'
    """
    inner = folder / _FOLDER[skeleton]
    root = inner if (inner / "text_mot_match").is_dir() else folder
    meta = root / _META[skeleton] / "meta"
    return EvaluatorFiles(root / "text_mot_match" / "model" / "finest.tar", meta / "mean.npy", meta / "std.npy")


def read_statistics(mean: Path, std: Path, skeleton: Skeleton, fps: float) -> MotionSpec:
    """Mean and deviation [D] from two ``.npy`` files.

    Raises:
        WeightsError: a file is missing or holds no array of the skeleton's width.
    """
    found = []
    for path in (mean, std):
        if not path.is_file():
            raise WeightsError(f"statistics {path}: no such file")
        values = read_array(path, WeightsError).reshape(-1).astype(np.float32)
        if len(values) != skeleton.n_features:
            raise WeightsError(f"statistics {path}: {len(values)} values, {skeleton.name} has {skeleton.n_features}")
        found.append(torch.from_numpy(values))
    try:
        return MotionSpec(skeleton.name, fps, found[0], found[1])
    except LeadbenchError as exc:
        raise WeightsError(f"statistics {mean}, {std}: {exc}") from exc
