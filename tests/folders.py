"""Small dataset folders in HumanML3D's format, made of smooth random walks of a skeleton."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from leadbench.core.skeleton import HUMANML3D
from leadbench.motion.features import joints_to_features

CAPTIONS = (
    ("a person walks forward.", "a/DET person/NOUN walk/VERB forward/ADV"),
    ("someone raises the left hand.", "someone/PRON raise/VERB the/DET left/ADJ hand/NOUN"),
    ("a person runs fast.", "a/DET person/NOUN run/VERB fast/ADV"),
)


def smooth_joints(frames: int, seed: int) -> torch.Tensor:
    """Plausible joints [frames, 22, 3]: rest pose moving along, each joint swinging by a few centimetres."""
    rng = np.random.default_rng(seed)
    rest = np.zeros((22, 3))
    for joint, parent in enumerate(HUMANML3D.parents):
        if parent >= 0:
            rest[joint] = rest[parent] + HUMANML3D.offsets[joint]
    time = np.arange(frames)[:, None, None] / 20
    swing = 0.06 * np.sin(2 * np.pi * (rng.uniform(0.3, 1.0, (1, 22, 3)) * time + rng.uniform(0, 1, (1, 22, 3))))
    travel = time * np.array([0.1, 0.0, 1.0]) * rng.uniform(0.2, 1.2)
    return torch.from_numpy(rest + swing + travel + np.array([0, 0.9, 0])).float()


def write_folder(root: Path, ids: dict[str, list[str]], frames: int = 60) -> Path:
    """Write a folder whose split files hold ``ids``; clips differ in length by up to 20 frames."""
    for name in ("new_joint_vecs", "texts"):
        (root / name).mkdir(parents=True)
    every = []
    for number, name in enumerate(i for split in ids.values() for i in split):
        features = joints_to_features(
            smooth_joints(frames + 1 + number % 20, number), HUMANML3D, mode="corrected"
        ).features
        np.save(root / "new_joint_vecs" / f"{name}.npy", features.numpy())
        caption, tokens = CAPTIONS[number % len(CAPTIONS)]
        (root / "texts" / f"{name}.txt").write_text(f"{caption}#{tokens}#0.0#0.0\n")
        every.append(features.numpy())
    for split, members in ids.items():
        (root / f"{split}.txt").write_text("\n".join(members) + "\n")
    stacked = np.concatenate(every)
    np.save(root / "Mean.npy", stacked.mean(0))
    np.save(root / "Std.npy", stacked.std(0) + 0.05)
    (root / "dataset.json").write_text(json.dumps({"name": "walks", "skeleton": "humanml3d", "fps": 20.0}))
    return root
