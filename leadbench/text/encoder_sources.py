"""What is known of text encoders by name, before any is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leadbench.text.kept import KeptEmbeddings


@dataclass(frozen=True)
class EncoderSources:
    """Identities of text encoders, and where their embeddings are kept between runs.

    Attributes:
        identity: of an encoder by its name, without loading it; None where it does not say.
        worth_keeping: whether embeddings of it are worth keeping.
        folder: where they are kept; None: nowhere.
    """

    identity: Callable[[str], str | None] = lambda _: None
    worth_keeping: Callable[[str], bool] = lambda _: True
    folder: Path | None = None

    def kept(self, name: str) -> KeptEmbeddings | None:
        """The file of embeddings of an encoder as it is now; None: nothing is kept of it."""
        identity = self.identity(name)
        if self.folder is None or identity is None or not self.worth_keeping(name):
            return None
        return KeptEmbeddings(self.folder / f"{name}-{identity[:16]}.safetensors", identity)
