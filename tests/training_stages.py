"""Every training stage as the command line names it, some steps of it, and how far two models are apart."""

from __future__ import annotations

from pathlib import Path

from command import call
from safetensors.torch import load_file

STAGES = (
    ("autoencoder", "autoencoder"),
    ("evaluator", "evaluator"),
    ("evaluator --kind guo-essential", "evaluator-essential"),
    ("evaluator --kind tmr", "evaluator-tmr"),
    ("length", "length-wordllama"),
    ("motionclip", "motionclip"),
    ("diffusion --text-encoder wordllama", "diffusion-wordllama"),
    ("consistency --text-encoder wordllama", "consistency-wordllama"),
    ("projector --align-encoder wordllama", "projector"),
)
"""Arguments of ``leadbench train``, and the model that it writes; each after those that it reads."""


def steps(count: int) -> tuple[str, ...]:
    """Options of a training of so many steps of preset ``tiny``."""
    return ("--preset", "tiny", "--set", f"loop.steps={count}", "--set", f"loop.validate_every={count}")


THREE = steps(3)


def train(dataset: Path, stage: str, models: Path, *options: str, steps: tuple[str, ...] = THREE) -> int:
    """Run ``leadbench train``; its exit code."""
    return call("train", *stage.split(), *steps, "--dataset", dataset, "--models", models, *options)


def difference(here: Path, there: Path) -> float:
    """Largest difference of two model files, of the largest magnitude in the first.

    Not of each tensor's own: biases of attention keys have no gradient but rounding, which Adam brings to the size of a
    step.
    """
    one, other = load_file(here), load_file(there)
    assert one.keys() == other.keys()
    largest = max(float(tensor.abs().max()) for tensor in one.values())
    return max(float((one[name] - other[name]).abs().max()) for name in one) / largest


def difference_that_matters(here: Path, there: Path) -> float:
    """Largest difference of two model files, but for biases of attention keys: the same number is added to all scores
    of a softmax, so they change nothing, and their gradient is rounding alone."""
    one, other = load_file(here), load_file(there)
    assert one.keys() == other.keys()
    for tensors in (one, other):
        for name, tensor in tensors.items():
            width = tensor.shape[0] // 3 if name.endswith("qkv.bias") else 0
            if name.endswith("key_value.bias"):
                tensor[: tensor.shape[0] // 2] = 0
            elif width:
                tensor[width : 2 * width] = 0
    return max(float((one[name] - other[name]).abs().max()) for name in one)
