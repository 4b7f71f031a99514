"""How long motions are where nobody says: by the model folder's predictor, or 120 frames."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.generation.generator import DEFAULT_FRAMES, MOST_FRAMES
from leadbench.text.placeholders import split_caption
from leadbench.zoo.loaded import LoadedLength
from leadbench.zoo.store import ModelStore


def open_length(models: ModelStore, encoder: str = "") -> LoadedLength | None:
    """The folder's predictor of lengths, that of a text encoder before others; None: it has none.

    Args:
        models: model folder.
        encoder: text encoder that is in use already, which need not be read again.
    """
    found = list(models.catalog.all("length"))
    chosen = next((listed for listed in found if listed.card.text_encoder == encoder), next(iter(found), None))
    return None if chosen is None else models.length(chosen.name)


def lengths_for(captions: Sequence[str], predictor: LoadedLength | None) -> tuple[int, ...]:
    """Frames of each caption's motion, a multiple of 4 from 4 to 196.

    A placeholder of a learnt concept is left out of the caption: no predictor knows it.
    """
    if predictor is None:
        return (DEFAULT_FRAMES,) * len(captions)
    plain = [" ".join(part.text for part in split_caption(caption) if not part.placeholder) for caption in captions]
    return tuple(min(frames, MOST_FRAMES) for frames in predictor.frames(plain))
