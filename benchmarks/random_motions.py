"""Write a dataset folder of random motions in HumanML3D's layout: what trainings of full size need, measured anywhere.

python benchmarks/random_motions.py build/random --motions 20000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from leadbench.core.random import stream

FEATURES = 263
SHORTEST, LONGEST = 40, 196
WORDS = ["walks", "runs", "jumps", "turns", "waves", "sits", "stands", "kicks", "bends", "crawls"]


def write(out: Path, motions: int) -> None:
    """Motions of 40 to 196 frames of unit noise, each with one caption; 1 % are for validation, 1 % for the test."""
    for folder in ("new_joint_vecs", "texts"):
        (out / folder).mkdir(parents=True)
    rng = stream(0, "random-motions")
    names = [f"{number:06d}" for number in range(motions)]
    for name in names:
        frames = int(rng.integers(SHORTEST, LONGEST + 1))
        np.save(out / "new_joint_vecs" / f"{name}.npy", rng.standard_normal((frames, FEATURES), dtype=np.float32))
        first, second = rng.choice(WORDS, 2)
        caption = f"a person {first} and {second} {name}"
        tokens = f"a/DET person/NOUN {first}/VERB and/CCONJ {second}/VERB"
        (out / "texts" / f"{name}.txt").write_text(f"{caption}#{tokens}#0.0#0.0\n")
    held = max(2, motions // 100)
    splits = {"test": names[:held], "val": names[held : 2 * held], "train": names[2 * held :]}
    for split, ids in splits.items():
        (out / f"{split}.txt").write_text("\n".join(ids) + "\n")
    np.save(out / "Mean.npy", np.zeros(FEATURES, dtype=np.float32))
    np.save(out / "Std.npy", np.ones(FEATURES, dtype=np.float32))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--motions", type=int, default=20_000)
    chosen = parser.parse_args()
    write(chosen.out, chosen.motions)
    print(f"wrote {chosen.out}: {chosen.motions} random motions")
