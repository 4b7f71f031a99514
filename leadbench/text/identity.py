"""What tells one text encoder from another of the same name: a hash of its weights' files, or a probe of what it gives.

Files are hashed once a process (:func:`leadbench.core.provenance.sha256_file`).
"""

from __future__ import annotations

import hashlib

import torch

from leadbench.core.contracts import TextEncoder
from leadbench.core.random import stream

_CAPTIONS = ("a person walks", "someone waves with the left hand, then sits down")
_NUMBERS = 8
_DIGITS = 3  # of a number between -1 and 1; machines differ in the seventh


def probe_identity(encoder: TextEncoder) -> str:
    """Identity of an encoder that declares none: a few digits of random projections of two embeddings.

    Another set of weights gives another identity; a change of a single weight may not. A plugin that wants more
    declares ``identity`` in its ``TextEncoderRegistration``.
    """
    digest = hashlib.sha256(f"{encoder.name} {encoder.dim}".encode())
    for caption in _CAPTIONS:
        condition = encoder.encode([caption])
        tokens = condition.tokens[0][condition.mask[0]].detach().double().cpu().flatten()
        signs = torch.from_numpy(stream(0, "probe-encoder").choice([-1.0, 1.0], (_NUMBERS, len(tokens))))
        projected = signs @ tokens / tokens.norm().clamp(min=1e-12) / len(tokens) ** 0.5
        digest.update(f"{len(tokens)} {[round(value, _DIGITS) + 0.0 for value in projected.tolist()]}".encode())
    return digest.hexdigest()


def identity_of(encoder: TextEncoder) -> str:
    """The identity that an encoder carries, else that of a probe."""
    carried = getattr(encoder, "identity", None)
    return carried if isinstance(carried, str) and carried else probe_identity(encoder)
