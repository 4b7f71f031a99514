"""Evaluators from model files: networks, statistics and what their cards say of captions and of real motions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from leadbench.core.config import EvaluatorConfig, TmrConfig
from leadbench.core.contracts import TextEncoder
from leadbench.core.errors import WeightsError, unknown_name
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.tmr import TmrNetworks
from leadbench.text.glove import GloveVectors
from leadbench.text.special_words import SPECIAL_WORDS
from leadbench.text.word_vectors import WORD_VECTORS
from leadbench.zoo.build import build, card_config, card_entry, motion_spec
from leadbench.zoo.files import OFFICIAL, ModelCard, card_path
from leadbench.zoo.loaded import LoadedEvaluator, LoadedTmr, TextPipeline

GLOVE = "glove"
_MOST_TOKENS = 10_000


def trained_evaluator(
    tensors: dict[str, Tensor], card: ModelCard, path: Path, glove: Callable[[], GloveVectors]
) -> LoadedEvaluator:
    """The networks of Guo et al. on all or the essential features; ``glove`` is asked where the card names it.

    Raises:
        WeightsError: the tensors do not fit the card, or the card lacks something.
    """
    motion = motion_spec(tensors, card, path)
    network = build(EvaluatorNetworks, card_config(EvaluatorConfig, card, path), tensors, path)
    text = _text_pipeline(card, path, glove)
    evaluator = LoadedEvaluator(card_entry(card, path, "links", "name"), network, motion, text)
    evaluator.official = card.preset == OFFICIAL
    evaluator.real_row, evaluator.dataset = _real_row(card, path)
    return evaluator


def trained_tmr(
    tensors: dict[str, Tensor], card: ModelCard, path: Path, encoder: Callable[[str], TextEncoder]
) -> LoadedTmr:
    """An evaluator in the manner of TMR; ``encoder`` gives the text encoder that its card names.

    Raises:
        WeightsError: the tensors do not fit the card, or the card lacks something.
    """
    motion = motion_spec(tensors, card, path)
    network = build(TmrNetworks, card_config(TmrConfig, card, path), tensors, path)
    text = encoder(card_entry(card, path, "links", "text_encoder"))
    evaluator = LoadedTmr(card_entry(card, path, "links", "name"), network, motion, text)
    evaluator.real_row, evaluator.dataset = _real_row(card, path)
    return evaluator


def word_vectors(tensors: dict[str, Tensor], card: ModelCard, path: Path) -> GloveVectors:
    """GloVe vectors that were imported.

    Raises:
        WeightsError: the file holds none, or its card none of their words.
    """
    rows, table = card_entry(card, path, "config", "rows"), tensors.get("table")
    if table is None or table.ndim != 2 or not isinstance(rows, dict):
        raise WeightsError(f"{path}: no vocabulary (needed: a tensor 'table' [V, W], and rows by word in its card)")
    wrong = [word for word, row in rows.items() if not isinstance(row, int) or not 0 <= row < len(table)]
    if wrong:
        raise WeightsError(f"{card_path(path)}: config.rows: {wrong[0]!r} has no row of the table")
    return GloveVectors(table, rows)


def _text_pipeline(card: ModelCard, path: Path, glove: Callable[[], GloveVectors]) -> TextPipeline:
    words = card_entry(card, path, "config", "word_vectors")
    most = card_entry(card, path, "config", "max_tokens")
    if words not in (GLOVE, *WORD_VECTORS):
        raise unknown_name("word vectors", str(words), (GLOVE, *WORD_VECTORS), where=str(card_path(path)))
    if not isinstance(most, int) or not 0 < most <= _MOST_TOKENS:
        raise WeightsError(f"{card_path(path)}: config.max_tokens is {most!r} (allowed: 1 to {_MOST_TOKENS})")
    if words == GLOVE:
        return TextPipeline(glove(), most, SPECIAL_WORDS)
    return TextPipeline(WORD_VECTORS[words](), most)


def _real_row(card: ModelCard, path: Path) -> tuple[dict[str, float], str]:
    """What real motions scored when an evaluator was trained, and on which dataset."""
    real = card.metrics.get("real_test")
    try:
        row = {"r_precision_3": float(real["r_precision"][2]), "mm_dist": float(real["mm_dist"])} if real else {}
    except (LookupError, TypeError, ValueError) as exc:
        raise WeightsError(
            f"{card_path(path)}: metrics.real_test: needed: three numbers r_precision, and mm_dist"
        ) from exc
    return row, card.links.get("dataset_identity", "")
