"""The embedded corpus, judged by number: what a body can do, what feet may do, what captions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from leadbench.core.errors import DataError
from leadbench.core.skeleton import get_skeleton
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.prepare.tagging import tag
from leadbench.data.synthetic.act import Stage, enliven, pulse, then
from leadbench.data.synthetic.body import STANCE, STANDING, stand, to_joints
from leadbench.data.synthetic.corpus import ACTIONS
from leadbench.data.synthetic.gait import Gait, walk
from leadbench.data.synthetic.gait import Path as Way
from leadbench.data.synthetic.generate import MAX_FRAMES, MIN_FRAMES, perform, synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.metrics.physical import foot_skating

SKELETON = get_skeleton("humanml3d")
DRAWS = 6


def performances(name: str) -> list[NDArray[np.float64]]:
    joints = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        joints.append(to_joints(enliven(ACTIONS[name](rng).pose, rng)))
    return joints


@pytest.fixture(scope="module", params=sorted(ACTIONS))
def action(request: pytest.FixtureRequest) -> list[NDArray[np.float64]]:
    return performances(request.param)


def test_there_are_enough_actions() -> None:
    assert len(ACTIONS) >= 24


def test_segments_keep_their_lengths(action: list[NDArray[np.float64]]) -> None:
    for joints in action:
        bones = joints[:, 1:] - joints[:, list(SKELETON.parents[1:])]
        lengths = np.linalg.norm(bones, axis=-1)
        assert lengths.std(axis=0).max() < 1e-9
        np.testing.assert_allclose(lengths[0], SKELETON.bone_lengths[1:], atol=1e-5)


def test_nobody_sinks_into_the_floor(action: list[NDArray[np.float64]]) -> None:
    assert min(joints[..., 1].min() for joints in action) > -0.01


def test_feet_do_not_skate(action: list[NDArray[np.float64]]) -> None:
    ratios = []
    for joints in action:
        mask = torch.ones(1, len(joints), dtype=torch.bool)
        ratios.append(float(foot_skating(torch.from_numpy(joints)[None], mask)[0]))
    assert np.mean(ratios) < 0.05


def test_speed_and_jerk_are_those_of_people(action: list[NDArray[np.float64]]) -> None:
    """Bounds: 1.3 times the largest of the Bandai-Namco Research motion capture (10 m/s, 486 m/s^3 on average)."""
    for joints in action:
        assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() * 20 < 13
        assert np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1).mean() * 20**3 < 630


def test_actions_begin_and_end_in_the_same_stance(action: list[NDArray[np.float64]]) -> None:
    for joints in action:
        for pose in (joints[0], joints[-1]):
            assert abs(pose[0, 1] - STANDING) < 0.08
            assert np.linalg.norm(pose[10, [0, 2]] - pose[11, [0, 2]]) == pytest.approx(STANCE, abs=0.02)


@pytest.mark.parametrize("way", [Way(), Way(0.0, 0.8), Way(np.pi), Way(np.pi / 2)])
def test_planted_feet_stay_where_they_are(way: Way) -> None:
    pose = walk(Gait(0.5, 0.5, path=way), 6, 0, 20.0)
    joints = to_joints(pose)
    for foot, ball in enumerate((10, 11)):
        both = pose.planted[1:, foot] & pose.planted[:-1, foot]
        moved = np.diff(joints[:, ball], axis=0)[both][:, [0, 2]]
        assert np.abs(moved).max() < 1e-6


def test_a_walk_goes_as_far_as_its_steps() -> None:
    joints = to_joints(walk(Gait(0.5, 0.5), 7, 0, 20.0))
    assert joints[-1, 0, 2] - joints[0, 0, 2] == pytest.approx(6 * 0.5, abs=0.02)


def test_a_turn_turns_by_its_angle() -> None:
    pose = walk(Gait(np.pi / 6, 0.5, path=Way(turning=True)), 4, 0, 20.0)
    assert pose.yaw[-1] - pose.yaw[0] == pytest.approx(np.pi / 2, abs=1e-6)


def test_a_second_action_goes_on_where_the_first_ends() -> None:
    first = walk(Gait(np.pi / 4, 0.5, path=Way(turning=True)), 3, 0, 20.0)
    joined = then(first, walk(Gait(0.5, 0.5), 3, 0, 20.0))
    joints = to_joints(joined)
    assert np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1).max() < 0.15
    assert joints[-1, 0, 0] - joints[0, 0, 0] == pytest.approx(1.0, abs=0.05)  # turned left: it walks along +x


def test_a_knee_never_bends_forward() -> None:
    stage = Stage(2.0)
    stage.move("height", pulse(0.2, 0.7, 0.1, 0.7, -0.45))
    joints = to_joints(stage.pose)
    middle = 0.5 * (joints[:, 1] + joints[:, 7])
    assert (joints[:, 4, 2] - middle[:, 2]).min() > 0


def test_standing_is_still() -> None:
    joints = to_joints(stand(5))
    assert np.abs(np.diff(joints, axis=0)).max() == 0


def test_a_clip_is_a_function_of_seed_and_number() -> None:
    first, again, other = perform(0, 5), perform(0, 5), perform(1, 5)
    np.testing.assert_array_equal(first.joints, again.joints)
    assert first.captions == again.captions
    assert first.joints.shape != other.joints.shape or not np.allclose(first.joints, other.joints)


def test_clips_fit_the_format_and_captions_are_tagged_and_told_apart() -> None:
    clips = [perform(0, number) for number in range(3 * len(ACTIONS))]
    assert all(MIN_FRAMES <= len(clip.joints) <= MAX_FRAMES for clip in clips)
    assert {clip.actions[0] for clip in clips} == set(ACTIONS)
    assert any(len(clip.actions) == 2 for clip in clips)
    captions = [caption for clip in clips for caption in clip.captions]
    assert all(len(clip.captions) >= 4 for clip in clips)
    assert len(set(captions)) > 0.95 * len(captions)
    for caption in captions:
        assert all("/" in token for token in tag(caption))


@pytest.mark.parametrize(("name", "words"), [("turn", ("left", "right")), ("kick", ("left", "right"))])
def test_captions_name_the_side(name: str, words: tuple[str, str]) -> None:
    for seed in range(12):
        act = ACTIONS[name](np.random.default_rng(seed))
        joints = to_joints(act.pose)
        if name == "turn":
            side = words[0] if act.pose.yaw[-1] > 0 else words[1]
        else:
            side = words[0] if joints[:, 10, 1].max() > joints[:, 11, 1].max() else words[1]
        said = " ".join([*act.verbs, *(way for detail in act.details for way in detail)])
        assert side in said.split()
        assert words[1 - words.index(side)] not in said.split()


def test_the_folder_reads_as_a_dataset(tmp_path: Path) -> None:
    ids = synthesize(tmp_path / "corpus", SynthesisOptions(clips=60, workers=1))
    folder = HumanML3DFolder(tmp_path / "corpus")
    assert sum(ids.values()) == 60
    for split, count in ids.items():
        samples, _ = folder.load(split)
        assert len(samples) == count
    with pytest.raises(DataError, match="exists already"):
        synthesize(tmp_path / "corpus", SynthesisOptions(clips=60, workers=1))


def test_workers_change_nothing(tmp_path: Path) -> None:
    synthesize(tmp_path / "one", SynthesisOptions(clips=20, workers=1))
    synthesize(tmp_path / "two", SynthesisOptions(clips=20, workers=2))
    assert HumanML3DFolder(tmp_path / "one").identity == HumanML3DFolder(tmp_path / "two").identity
