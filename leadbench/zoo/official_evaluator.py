"""Official evaluator checkpoints (``finest.tar``) in our modules: text-to-motion's, and MARDM's on essential features.

The archive holds ``text_encoder``, ``movement_encoder`` and ``motion_encoder`` state dicts, and training
state that is not needed. Names map one to one; every tensor of the three must be used, and none may be missing.
MARDM (Meng et al., CVPR 2025) trained the same networks on the first 67 features of a frame (64 of KIT-ML's), with
statistics of its own.
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
from leadbench.core.skeleton import Skeleton, get_skeleton
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
    """Official evaluator of a dataset as text-to-motion, MLD and MotionLCM lay it out, or as MARDM does.

    Attributes:
        weights: ``text_mot_match/model/finest.tar``.
        mean, std: ``Comp_v6_KLD01/meta`` (HumanML3D) or ``Comp_v6_KLD005/meta`` (KIT-ML); of MARDM
            ``eval_mean_std/{t2m,kit}/eval_{mean,std}.npy``: the statistics that the evaluator was trained with, which
            are not the dataset's own.
        essential: it is MARDM's.
    """

    weights: Path
    mean: Path
    std: Path
    essential: bool = False


_META = {"humanml3d": "Comp_v6_KLD01", "kit": "Comp_v6_KLD005"}
_FOLDER = {"humanml3d": "t2m", "kit": "kit"}


def find_evaluator(folder: Path, skeleton: str) -> EvaluatorFiles:
    """The three files below ``folder``, or below its ``t2m`` or ``kit``; whether they exist is checked on reading.

    ``folder`` may also be a checkout of MARDM, whose evaluators lie in ``checkpoints`` and statistics in ``utils``.

    >>> find_evaluator(Path("deps"), "kit").mean.as_posix()
    'deps/Comp_v6_KLD005/meta/mean.npy'
    """
    inner = _FOLDER[skeleton]
    places = (folder / inner, folder / "checkpoints" / inner)
    root = next((place for place in places if (place / "text_mot_match").is_dir()), folder)
    weights, meta = root / "text_mot_match" / "model" / "finest.tar", root / _META[skeleton] / "meta"
    if not meta.is_dir():
        inside = Path("eval_mean_std") / inner
        for place in (root, root / inside, folder / inside, folder / "utils" / inside):
            if (place / "eval_mean.npy").is_file():
                return EvaluatorFiles(weights, place / "eval_mean.npy", place / "eval_std.npy", essential=True)
    return EvaluatorFiles(weights, meta / "mean.npy", meta / "std.npy")


def evaluator_name(skeleton: str, *, essential: bool) -> str:
    """What an official evaluator is called.

    >>> evaluator_name("kit", essential=True)
    'guo-essential-kit'
    """
    return f"guo-essential-{skeleton}" if essential else f"guo-{skeleton}"


def is_essential(folder: Path) -> bool:
    """Whether a folder holds an evaluator on essential features, for any skeleton."""
    return any(find_evaluator(folder, skeleton).essential for skeleton in _FOLDER)


def read_evaluator(folder: Path, motion: MotionSpec) -> tuple[EvaluatorNetworks, MotionSpec, EvaluatorFiles]:
    """An official evaluator: networks, the statistics that go before them, and the files.

    Args:
        folder: as :func:`find_evaluator` takes it.
        motion: the dataset's, which tells the skeleton.

    Raises:
        WeightsError: a file is missing, unsafe or does not fit the skeleton or the others.
    """
    skeleton = get_skeleton(motion.skeleton)
    files = find_evaluator(folder, skeleton.name)
    network = load_official_evaluator(files.weights)
    few, read = skeleton.essential_features, network.config.features - CONTACTS
    if files.essential and read != few:
        raise WeightsError(f"{files.weights}: reads {read} features a frame, the statistics beside it are of {few}")
    if not files.essential and read == few:
        raise WeightsError(
            f"{files.weights}: reads the {few} essential features of a frame; needed beside it: "
            f"eval_mean_std/{_FOLDER[skeleton.name]}/eval_mean.npy and eval_std.npy of MARDM"
        )
    if not files.essential and network.config.features != motion.width:
        raise WeightsError(
            f"{files.weights}: for {network.config.features} features a frame, the dataset has {motion.width}"
        )
    return network, read_statistics(files.mean, files.std, skeleton, motion.fps, essential=files.essential), files


def read_statistics(mean: Path, std: Path, skeleton: Skeleton, fps: float, *, essential: bool = False) -> MotionSpec:
    """Mean and deviation [D] from two ``.npy`` files.

    Args:
        mean, std: the files.
        skeleton: tells D.
        fps: frame rate.
        essential: the files hold the first features alone; the others, which nobody reads, stay as they are.

    Raises:
        WeightsError: a file is missing or holds no array of that width.
    """
    width = skeleton.essential_features if essential else skeleton.n_features
    found = []
    for path in (mean, std):
        if not path.is_file():
            raise WeightsError(f"statistics {path}: no such file")
        values = read_array(path, WeightsError).reshape(-1).astype(np.float32)
        if len(values) != width:
            raise WeightsError(f"statistics {path}: {len(values)} values, {skeleton.name} has {width}")
        rest = np.full(skeleton.n_features - width, float(path == std), np.float32)
        found.append(torch.from_numpy(np.concatenate([values, rest])))
    try:
        return MotionSpec(skeleton.name, fps, found[0], found[1])
    except LeadbenchError as exc:
        raise WeightsError(f"statistics {mean}, {std}: {exc}") from exc
