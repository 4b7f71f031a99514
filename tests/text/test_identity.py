"""What tells text encoders of one name apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from fakes import FakeTextEncoder

from leadbench.core.tensors import Condition
from leadbench.text.identity import identity_of, probe_identity


class Scaled(FakeTextEncoder):
    """Gives a multiple of what the fake encoder gives, or other numbers."""

    def __init__(self, factor: float = 1.0, added: float = 0.0) -> None:
        super().__init__()
        self.factor, self.added = factor, added

    def encode(self, captions: Sequence[str]) -> Condition:
        found = super().encode(captions)
        return Condition(found.tokens * self.factor + self.added, found.mask, found.encoder)


def test_other_weights_are_another_identity_and_rounding_is_not() -> None:
    own = probe_identity(Scaled())
    assert own == probe_identity(Scaled()) == probe_identity(Scaled(1 + 1e-7))
    assert own != probe_identity(Scaled(added=3.0))


def test_a_declared_identity_comes_first() -> None:
    encoder = FakeTextEncoder()
    assert identity_of(encoder) == probe_identity(encoder)
    encoder.identity = "weights-1"
    assert identity_of(encoder) == "weights-1"
    encoder.identity = ""
    assert identity_of(encoder) == probe_identity(encoder)


def test_masked_tokens_do_not_count() -> None:
    class Padded(FakeTextEncoder):
        def encode(self, captions: Sequence[str]) -> Condition:
            found = super().encode(captions)
            tokens = torch.cat([found.tokens, torch.full_like(found.tokens, 9.0)], dim=1)
            return Condition(tokens, torch.cat([found.mask, ~found.mask], dim=1), found.encoder)

    assert probe_identity(Padded()) == probe_identity(FakeTextEncoder())
