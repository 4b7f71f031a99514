"""Style classifier and distances: recovered styles, honest cross-validation, hand-computed distances, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leadbench.core.errors import DataError, NonFiniteError, UnknownNameError
from leadbench.core.random import stream
from leadbench.data.labels import MotionLabel
from leadbench.tasks.mti.styles import (
    StyledMotions,
    fit_style_classifier,
    score_styles,
    style_means,
    styled_motions,
)

CENTRES = {"giant": (4.0, 0.0), "old": (0.0, 4.0), "sad": (-4.0, -4.0)}


def real(spread: float = 1.0, recordings: int = 20, copies: int = 2) -> StyledMotions:
    """Three styles of E = 8 around centres of which two dimensions tell; dimension 7 has a scale of its own."""
    rows, styles, names = [], [], []
    for style, centre in CENTRES.items():
        for number in range(recordings):
            rng = stream(0, "styles", style, number)
            base = rng.standard_normal(8) * spread
            base[:2] += centre
            base[7] *= 1000
            for _ in range(copies):
                rows.append(base + 0.01 * rng.standard_normal(8))
                styles.append(style)
                names.append(f"{style}{number}")
    return StyledMotions(torch.tensor(np.array(rows), dtype=torch.float32), tuple(styles), tuple(names))


def test_styles_are_recovered_as_another_method_does() -> None:
    data = real(spread=1.5)
    classifier = fit_style_classifier(data)
    fresh = real(spread=1.5, recordings=40).without(set(data.recordings))
    other = LinearDiscriminantAnalysis().fit(data.embeddings.numpy(), data.styles)
    found = np.array(classifier.predict(fresh.embeddings))
    assert (found == np.array(fresh.styles)).mean() > 0.9
    assert (found == other.predict(fresh.embeddings.numpy())).mean() > 0.9
    assert classifier.styles == ("giant", "old", "sad")
    assert classifier.folds == 5
    assert classifier.chance == pytest.approx(1 / 3)
    assert classifier.accuracy == pytest.approx((found == np.array(fresh.styles)).mean(), abs=0.08)
    assert classifier.accuracy == np.mean([a == b for a, b in zip(classifier.unseen, data.styles, strict=True)])


def test_the_accuracy_is_that_of_unseen_recordings() -> None:
    """Embeddings that tell the recording but not the style: neighbours would give the style away, if they were seen."""
    styles, names, rows = [], [], []
    for number in range(60):
        base = stream(1, "styles", number).standard_normal(64)
        for _ in range(3):
            rows.append(base)
            styles.append("abc"[number % 3])
            names.append(str(number))
    data = StyledMotions(torch.tensor(np.array(rows)), tuple(styles), tuple(names))
    classifier = fit_style_classifier(data)
    assert np.mean([a == b for a, b in zip(classifier.predict(data.embeddings), styles, strict=True)]) > 0.95
    assert classifier.accuracy < 0.55
    apart = fit_style_classifier(StyledMotions(data.embeddings, data.styles, tuple(map(str, range(len(rows))))))
    assert apart.accuracy > 0.9  # what it would be without regard for recordings


def test_rare_styles_count_as_much_as_common_ones() -> None:
    data = real(spread=4.0, recordings=60)
    few = {f"sad{number}" for number in range(6, 60)}
    seen, fresh = data.without(few), data.only({"sad"}).without({f"sad{number}" for number in range(6)})
    classifier = fit_style_classifier(seen)
    assert classifier.chance == pytest.approx(60 / 126)
    assert classifier.balanced_accuracy == pytest.approx(np.mean(list(classifier.recall.values())))
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(seen.embeddings.numpy(), seen.styles)
    found, without = classifier.predict(fresh.embeddings), plain.predict(fresh.embeddings.numpy())
    assert np.mean(np.array(found) == "sad") > np.mean(without == "sad") + 0.05
    assert fit_style_classifier(data.without(few | {f"sad{number}" for number in range(3)})).folds == 3


def test_scores_are_what_can_be_computed_by_hand() -> None:
    data = real()
    classifier, means = fit_style_classifier(data), style_means(data)
    for style in CENTRES:
        rows = data.embeddings[[i for i, name in enumerate(data.styles) if name == style]].double()
        torch.testing.assert_close(means[style], rows.mean(dim=0))
    generated = torch.stack([means["old"], means["old"], means["giant"], means["sad"]]).float()
    exemplars = generated + torch.tensor([3.0, 4.0, *[0.0] * 6])
    scores = score_styles(classifier, means, generated, exemplars, ["old", "giant", "giant", "sad"])
    assert scores.assigned == ("old", "old", "giant", "sad")
    assert scores.hits.tolist() == [True, False, True, True]
    assert scores.share == 0.75
    torch.testing.assert_close(scores.exemplar_distances, torch.full((4,), 5.0, dtype=torch.float64), rtol=0, atol=1e-4)
    apart = float((means["old"] - means["giant"]).norm())
    torch.testing.assert_close(scores.style_distances, torch.tensor([0, apart, 0, 0]).double(), rtol=0, atol=1e-3)
    assert scores.metrics == {
        "style_share": 0.75,
        "style_probability": pytest.approx(float(scores.probabilities.mean())),
        "exemplar_distance": pytest.approx(5.0, abs=1e-4),
        "style_distance": pytest.approx(apart / 4, abs=1e-3),
    }
    assert float(scores.probabilities[0]) > 0.9 > 0.1 > float(scores.probabilities[1])


def test_fitting_is_deterministic_and_does_not_depend_on_scale() -> None:
    data = real(spread=2.0)
    scaled = StyledMotions(data.embeddings * 50 + 3, data.styles, data.recordings)
    here, again, there = (fit_style_classifier(item) for item in (data, data, scaled))
    assert here.unseen == again.unseen == there.unseen
    torch.testing.assert_close(
        here.probabilities(data.embeddings, data.styles),
        there.probabilities(scaled.embeddings, data.styles),
        atol=1e-3,
        rtol=0,
    )


def test_labels_are_joined_to_samples() -> None:
    labels = {"a": MotionLabel("walk", "old", "a"), "Ma": MotionLabel("walk", "old", "a")}
    found = styled_motions(["a", "Ma", "a#2"], torch.zeros(3, 2), labels)
    assert (found.styles, found.recordings) == (("old",) * 3, ("a",) * 3)
    with pytest.raises(DataError, match="'b' has no labels"):
        styled_motions(["b"], torch.zeros(1, 2), labels)
    with pytest.raises(DataError, match="3 embeddings, 2 styles"):
        StyledMotions(torch.zeros(3, 2), ("a", "b"), ("1", "2", "3"))
    assert real().only({"old"}).styles == ("old",) * 40


def test_bad_input_is_refused_in_one_line() -> None:
    data = real()
    classifier, means = fit_style_classifier(data), style_means(data)
    one = data.embeddings[:1]
    with pytest.raises(UnknownNameError, match=r"unknown style 'gaint'.*'giant'"):
        score_styles(classifier, means, one, one, ["gaint"])
    with pytest.raises(DataError, match="2 styles for 1"):
        score_styles(classifier, means, one, one, ["old", "old"])
    with pytest.raises(DataError, match="must be equal"):
        score_styles(classifier, means, one, data.embeddings[:2], ["old"])
    with pytest.raises(DataError, match="at least one row"):
        score_styles(classifier, means, one[:0], one[:0], [])
    with pytest.raises(NonFiniteError, match="generated"):
        score_styles(classifier, means, one * float("nan"), one, ["old"])
    with pytest.raises(DataError, match="1 styles"):
        fit_style_classifier(data.only({"old"}))
    with pytest.raises(DataError, match="1 of 'sad'"):
        fit_style_classifier(data.without({f"sad{number}" for number in range(1, 20)}))
