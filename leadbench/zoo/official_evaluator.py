"""The official evaluator checkpoint (``finest.tar`` of text-to-motion) in our modules.

The archive holds ``text_encoder``, ``movement_encoder`` and ``motion_encoder`` state dicts, and training
state that is not needed. Names map one to one; every tensor of the three must be used, and none may be missing.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.config import EvaluatorConfig
from leadbench.errors import WeightsError
from leadbench.nn.evaluator import CONTACTS, EvaluatorNetworks

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
        WeightsError: an entry or a tensor is missing, or a tensor is not one of the official ones.
    """
    state: dict[str, Tensor] = {}
    for entry, names in OFFICIAL_NAMES.items():
        if entry not in checkpoint:
            raise WeightsError(f"evaluator checkpoint has no entry {entry!r} (needs {', '.join(OFFICIAL_NAMES)})")
        tensors = checkpoint[entry]
        missing, unexpected = sorted(set(names) - set(tensors)), sorted(set(tensors) - set(names))
        if missing or unexpected:
            wrong = f"missing {missing or 'none'}, unknown {unexpected or 'none'}"
            raise WeightsError(f"evaluator checkpoint, {entry}: {wrong}")
        for official, ours in names.items():
            # The official start state [2, 1, H] carries a batch axis of 1.
            state[ours] = tensors[official].squeeze(1) if official == "hidden" else tensors[official]
    return state


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
    if not path.is_file():
        raise WeightsError(f"evaluator checkpoint not found: {path.name} (expected the official finest.tar)")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"evaluator checkpoint {path.name} cannot be read safely: {reason}") from error
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f"evaluator checkpoint {path.name} holds {type(checkpoint).__name__}, not a mapping")
    return official_evaluator(checkpoint)
