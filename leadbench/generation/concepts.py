"""Concept files: a learnt pseudo-word, tiny and reusable with every backbone on the same text encoder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from leadbench.core.contracts import InvertibleTextEncoder
from leadbench.core.errors import ConfigError, WeightsError
from leadbench.zoo.files import read_tensors, save_tensors

KIND = "leadbench concept"
_NAME = re.compile(r"[a-zA-Z][\w-]*")
_PROBE = "walk"  # a word whose vector tells one set of an encoder's weights from another


@dataclass(frozen=True, eq=False)
class Concept:
    """A pseudo-word.

    Attributes:
        name: what stands for it in captions, ``<name>``.
        vector: input vector [T] of the text encoder.
        text_encoder: name of that encoder.
        probe: the encoder's own vector of a known word [T].
        about: how it was learnt: words, all strings.
    """

    name: str
    vector: Tensor
    text_encoder: str
    probe: Tensor
    about: Mapping[str, str] = field(default_factory=dict)

    def check(self, encoder: InvertibleTextEncoder) -> None:
        """Raise ConfigError unless the pseudo-word was learnt in this encoder's space."""
        if encoder.name != self.text_encoder:
            raise ConfigError(
                f"concept {self.name!r}: learnt for text encoder {self.text_encoder!r}, the backbone is on "
                f"{encoder.name!r}"
            )
        probe = encoder.word_embedding(_PROBE).cpu()
        if probe.shape != self.probe.shape or not torch.allclose(probe, self.probe, atol=1e-4):
            raise ConfigError(f"concept {self.name!r}: learnt with other weights of text encoder {encoder.name!r}")


def make_concept(name: str, vector: Tensor, encoder: InvertibleTextEncoder, about: Mapping[str, str]) -> Concept:
    """A concept of a vector [T] learnt for an encoder.

    Raises:
        ConfigError: the name is none that captions can hold.
    """
    check_name(name)
    return Concept(name, vector, encoder.name, encoder.word_embedding(_PROBE).cpu(), dict(about))


def check_name(name: str) -> None:
    """Raise ConfigError unless captions can hold ``<name>``.

    >>> check_name("superman")
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name {name!r}: must start with a letter and hold letters, digits, - and _ only")


def save_concept(path: Path, concept: Concept) -> None:
    """Write a concept as one safetensors file of a few kB."""
    metadata = {"kind": KIND, "name": concept.name, "text_encoder": concept.text_encoder, **concept.about}
    save_tensors(path, {"vector": concept.vector, "probe": concept.probe}, metadata)


def load_concept(path: Path) -> Concept:
    """Read a concept.

    Raises:
        WeightsError: the file is missing or holds none.
    """
    tensors, about = read_tensors(path, sealed=True)
    if about.pop("kind", None) != KIND or not {"vector", "probe"} <= set(tensors):
        raise WeightsError(f"{path}: holds no concept (leadbench mti learn writes them)")
    vector, probe = tensors["vector"], tensors["probe"]
    if vector.ndim != 1 or not bool(torch.isfinite(vector).all()):
        raise WeightsError(f"{path}: its vector is no finite [T]")
    if not {"name", "text_encoder"} <= set(about):
        raise WeightsError(f"{path}: its concept has no name or no text encoder")
    return Concept(about.pop("name"), vector, about.pop("text_encoder"), probe, about)


def find_concepts(names: Sequence[str], folder: Path) -> dict[str, Concept]:
    """Concepts by name, each given as a file or as ``NAME`` for ``folder/NAME.safetensors``.

    Raises:
        WeightsError: a file is missing or holds none.
    """
    found = {}
    for name in names:
        path = Path(name) if name.endswith(".safetensors") else folder / f"{name}.safetensors"
        if not path.is_file():
            known = sorted(other.stem for other in folder.glob("*.safetensors"))
            raise WeightsError(f"--concept {name}: no file {path} (in {folder}: {', '.join(known) or 'none'})")
        concept = load_concept(path)
        found[concept.name] = concept
    return found
