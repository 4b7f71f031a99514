"""Whether generated motions have the style of an exemplar (the paper shows it in Figure 7; here it is measured).

Everything happens in an evaluator's embedding space, on embeddings [N, E] of real motions whose styles are known: a
linear classifier of styles that never sees a generated motion, and distances to the exemplar and to the mean of its
style.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from leadbench.core.errors import DataError, unknown_name
from leadbench.data.labels import MotionLabel, label_of
from leadbench.metrics.arrays import finite_float64

FOLDS = 5


@dataclass(frozen=True, eq=False)
class StyledMotions:
    """Real motions with known styles.

    Attributes:
        embeddings: [N, E] of an evaluator.
        styles: N names.
        recordings: N names of what they were cut from; motions of one recording are not independent.

    Raises:
        DataError: lengths differ.
        NonFiniteError: NaN or infinite embeddings.
    """

    embeddings: Tensor
    styles: tuple[str, ...]
    recordings: tuple[str, ...]

    def __post_init__(self) -> None:
        rows = len(finite_float64(self.embeddings, "N E", "embeddings of real motions"))
        if not rows == len(self.styles) == len(self.recordings):
            raise DataError(
                f"styled motions: {rows} embeddings, {len(self.styles)} styles, {len(self.recordings)} recordings"
            )

    def without(self, recordings: Collection[str]) -> StyledMotions:
        """The motions of other recordings: a classifier of generated motions should not have seen their exemplars."""
        return self._rows([i for i, name in enumerate(self.recordings) if name not in recordings])

    def only(self, styles: Collection[str]) -> StyledMotions:
        """The motions of some styles."""
        return self._rows([i for i, style in enumerate(self.styles) if style in styles])

    def _rows(self, rows: list[int]) -> StyledMotions:
        chosen = self.embeddings[torch.tensor(rows, dtype=torch.long)]
        return StyledMotions(chosen, tuple(self.styles[i] for i in rows), tuple(self.recordings[i] for i in rows))


@dataclass(frozen=True, eq=False)
class StyleClassifier:
    """A fitted classifier and how good it is on recordings that it has not seen.

    Attributes:
        styles: names that it knows, sorted.
        accuracy: share of real motions that classifiers fitted on other recordings assign to their own style.
        balanced_accuracy: mean over styles of that share; ``recall`` has it style by style.
        chance: share of the commonest style, what a constant answer would reach in ``accuracy``.
        folds: of the cross-validation.
        unseen: N styles, what a classifier fitted on other recordings says of each real motion.
        model: the scikit-learn pipeline, fitted on all motions.
    """

    styles: tuple[str, ...]
    accuracy: float
    balanced_accuracy: float
    recall: Mapping[str, float]
    chance: float
    folds: int
    unseen: tuple[str, ...]
    model: Any

    def predict(self, embeddings: Tensor) -> tuple[str, ...]:
        """Styles of embeddings [B, E]."""
        return tuple(map(str, self.model.predict(_array(embeddings))))

    def probabilities(self, embeddings: Tensor, styles: Sequence[str]) -> Tensor:
        """Probability [B] of one style for each embedding [B, E].

        Raises:
            UnknownNameError: a style was not among those it was fitted on.
            DataError: different numbers of embeddings and styles.
        """
        known = {style: column for column, style in enumerate(self.styles)}
        _check(styles, len(embeddings), known)
        found = self.model.predict_proba(_array(embeddings))
        return torch.from_numpy(found[np.arange(len(styles)), [known[style] for style in styles]])


@dataclass(frozen=True, eq=False)
class StyleScores:
    """How generated motions relate to their exemplars' styles; all but the means are one value for each motion, [B].

    Attributes:
        share: of the motions that are assigned to their exemplar's style; ``hits`` says which, bool.
        probability: mean probability of that style; ``probabilities`` has each.
        exemplar_distance: mean Euclidean distance to the own exemplar; ``exemplar_distances`` has each.
        style_distance: mean distance to the mean of the real motions of that style; ``style_distances`` has each.
        assigned: B styles, what each motion is taken for.
    """

    share: float
    probability: float
    exemplar_distance: float
    style_distance: float
    hits: Tensor
    probabilities: Tensor
    exemplar_distances: Tensor
    style_distances: Tensor
    assigned: tuple[str, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """The four means by name, as a record takes them."""
        return {
            "style_share": self.share,
            "style_probability": self.probability,
            "exemplar_distance": self.exemplar_distance,
            "style_distance": self.style_distance,
        }


def styled_motions(ids: Sequence[str], embeddings: Tensor, labels: Mapping[str, MotionLabel]) -> StyledMotions:
    """Embeddings [N, E] of samples with the labels of their dataset (:func:`leadbench.data.labels.load_labels`).

    Raises:
        DataError: a sample has no label, or there are not as many embeddings as ids.
    """
    found = [label_of(labels, name) for name in ids]
    return StyledMotions(embeddings, tuple(item.style for item in found), tuple(item.recording for item in found))


def fit_style_classifier(real: StyledMotions, folds: int = FOLDS, seed: int = 0) -> StyleClassifier:
    """Multinomial logistic regression (L2, C = 1) on standardised embeddings, every style weighing the same.

    Its quality is cross-validated: whole recordings are left out, so that neither a mirrored copy nor a neighbouring
    window of a motion is among those fitted on. ``folds`` is lowered to the number of recordings of the rarest style.

    Raises:
        DataError: fewer than two styles, or a style with a single recording.
    """
    recordings: dict[str, set[str]] = defaultdict(set)
    for style, recording in zip(real.styles, real.recordings, strict=True):
        recordings[style].add(recording)
    rarest = min(recordings, key=lambda style: (len(recordings[style]), style), default="")
    if len(recordings) < 2 or len(recordings[rarest]) < 2:
        raise DataError(
            f"style classifier: needs two styles or more with two recordings each ({len(recordings)} styles"
            + (f", {len(recordings[rarest])} of {rarest!r})" if rarest else ")")
        )
    folds = min(folds, len(recordings[rarest]))
    values, styles = _array(real.embeddings), np.array(real.styles)
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    unseen = cross_val_predict(model, values, styles, groups=np.array(real.recordings), cv=splitter)
    right = unseen == styles
    names = tuple(sorted(recordings))
    recall = {style: float(right[styles == style].mean()) for style in names}
    return StyleClassifier(
        styles=names,
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean(list(recall.values()))),
        recall=recall,
        chance=max(float((styles == style).mean()) for style in names),
        folds=folds,
        unseen=tuple(map(str, unseen)),
        model=model.fit(values, styles),
    )


def style_means(real: StyledMotions) -> dict[str, Tensor]:
    """Mean embedding [E] (float64) of the real motions of each style.

    >>> real = StyledMotions(torch.tensor([[0.0], [2.0], [5.0]]), ("old", "old", "sad"), ("a", "b", "c"))
    >>> style_means(real)["old"]
    tensor([1.], dtype=torch.float64)
    """
    values = finite_float64(real.embeddings, "N E", "embeddings of real motions")
    rows: dict[str, list[int]] = defaultdict(list)
    for row, style in enumerate(real.styles):
        rows[style].append(row)
    return {style: values[rows[style]].mean(dim=0) for style in sorted(rows)}


def score_styles(
    classifier: StyleClassifier,
    means: Mapping[str, Tensor],
    generated: Tensor,
    exemplars: Tensor,
    styles: Sequence[str],
) -> StyleScores:
    """Score generated motions [B, E] against the exemplars [B, E] that their words were learnt from.

    Args:
        classifier: fitted on real motions, best without the exemplars' recordings.
        means: of real motions, by style.
        generated: embeddings of generated motions; several of one exemplar are several rows.
        exemplars: embedding of each one's exemplar.
        styles: each exemplar's style, B names.

    Raises:
        DataError: shapes or numbers differ, or there is no motion.
        UnknownNameError: a style that the classifier or ``means`` does not know.
        NonFiniteError: NaN or infinite embeddings.
    """
    made = finite_float64(generated, "B E", "embeddings of generated motions")
    own = finite_float64(exemplars, "B E", "embeddings of exemplars")
    if made.shape != own.shape or not len(made):
        raise DataError(
            f"generated {tuple(made.shape)} and exemplars {tuple(own.shape)} must be equal, at least one row"
        )
    _check(styles, len(made), means)
    probabilities = classifier.probabilities(made, styles)
    assigned = classifier.predict(made)
    hits = torch.tensor([found == wanted for found, wanted in zip(assigned, styles, strict=True)])
    to_exemplar = (made - own).norm(dim=1)
    to_style = (made - torch.stack([means[style].double() for style in styles])).norm(dim=1)
    return StyleScores(
        share=float(hits.double().mean()),
        probability=float(probabilities.mean()),
        exemplar_distance=float(to_exemplar.mean()),
        style_distance=float(to_style.mean()),
        hits=hits,
        probabilities=probabilities,
        exemplar_distances=to_exemplar,
        style_distances=to_style,
        assigned=assigned,
    )


def _check(styles: Sequence[str], rows: int, known: Mapping[str, Any]) -> None:
    if len(styles) != rows:
        raise DataError(f"{len(styles)} styles for {rows} motions")
    for style in styles:
        if style not in known:
            raise unknown_name("style", style, known)


def _array(embeddings: Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = finite_float64(embeddings, "N E", "embeddings").numpy()
    return values
