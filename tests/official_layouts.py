"""Full-size files in the official layouts, with random weights: names and shapes come from the recorded manifests."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadbench.text.special_words import SPECIAL_WORDS


def manifest(golden: Path, name: str) -> Any:
    return json.loads((golden / "manifests" / f"{name}.json").read_text())


def random_tensor(name: str, shape: list[int], generator: torch.Generator) -> Tensor:
    values = torch.randn(shape, generator=generator)
    if name.endswith("bias") or "bias_" in name:
        return 0.05 * values
    if len(shape) == 1:
        return 1 + 0.1 * values
    if name.endswith((".pe", "hidden", "global_motion_token")):
        return 0.5 * values
    return values / max(1, int(np.prod(shape[1:]))) ** 0.5


def random_state(shapes: dict[str, list[int]], seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: random_tensor(name, shape, generator) for name, shape in shapes.items()}


def write_backbone(path: Path, golden: Path, name: str, seed: int = 0, **more: Tensor) -> dict[str, Tensor]:
    """A Lightning checkpoint; with copies of the evaluator, as MLD's are saved."""
    state = random_state(manifest(golden, name), seed)
    evaluator = {"t2m_textencoder.hidden": torch.zeros(2, 1, 4), "t2m_moveencoder.out_net.bias": torch.zeros(4)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            "epoch": 1999,
            "global_step": 123,
            "pytorch-lightning_version": "1.9.1",
            "state_dict": {**state, **evaluator, **more},
            "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": None, "dirpath": "x"}},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999)}]}],
            "lr_schedulers": [],
        },
        path,
    )
    return state


def write_evaluator(
    root: Path, golden: Path, dataset: str, mean: np.ndarray, std: np.ndarray, legacy: bool = False
) -> Path:
    """``text_mot_match/model/finest.tar`` and the meta files, below the folder of a dataset."""
    shapes = manifest(golden, f"t2m_evaluators_{dataset}")
    content = {entry: random_state(shapes[entry], number) for number, entry in enumerate(shapes)}
    weights = root / "text_mot_match" / "model" / "finest.tar"
    weights.parent.mkdir(parents=True)
    torch.save(
        {**content, "opt_text_encoder": {}, "epoch": 3, "iter": 10},
        weights,
        _use_new_zipfile_serialization=not legacy,
    )
    meta = root / {"humanml3d": "Comp_v6_KLD01", "kit": "Comp_v6_KLD005"}[dataset] / "meta"
    meta.mkdir(parents=True)
    np.save(meta / "mean.npy", mean)
    np.save(meta / "std.npy", std)
    return root


def write_glove(folder: Path, words: tuple[str, ...] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = list(dict.fromkeys(["sos", "eos", "unk", *SPECIAL_WORDS, *words]))
    table = np.random.default_rng(0).normal(0, 0.4, (len(vocabulary), 300))
    np.save(folder / "our_vab_data.npy", table)
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(vocabulary))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(vocabulary)}))
    return folder
