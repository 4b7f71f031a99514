"""The other commands on the pretended device, against the CPU, from the command line to what they write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import call as plain_call

from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.generation.inversion import Inverter
from leadbench.study.plan import Study
from leadbench.testing.pretended import Pretended, pretended_device, waits_inside
from tests.device.conftest import Call
from tests.device.test_run import records, same

MTI = ("mti", "run", "--motions", "4", "--replications", "1", "--learning-rates", "0.3")


def on_both(call: Call, out: Path, *command: object) -> None:
    """Run a command on the CPU, then on the pretended device, into two folders."""
    assert call(*command, "--device", "cpu", "--out", out / "cpu") == 0
    with pretended_device():
        assert call(*command, "--out", out / "lazy") == 0


def test_inversion_has_the_cpus_words_and_no_step_waits(call: Call, tmp_path: Path) -> None:
    command = (*MTI, "--losses", "feat,mld,lead")
    assert call(*command, "--device", "cpu", "--out", tmp_path / "cpu") == 0
    with pretended_device() as mode, waits_inside(mode, (Inverter, "loss")) as per_step:
        assert call(*command, "--out", tmp_path / "lazy") == 0
    assert per_step == [0] * 60
    # 20 steps of Adam on words that are compared through the whole chain
    same(records(tmp_path / "cpu"), records(tmp_path / "lazy"), relative=2e-3)


def test_structure(call: Call, tmp_path: Path) -> None:
    on_both(call, tmp_path, "structure", "--split", "train")
    same(records(tmp_path / "cpu"), records(tmp_path / "lazy"))


def test_sequences(call: Call, tmp_path: Path) -> None:
    on_both(call, tmp_path, "run", "--task", "sequences", "--backbone", "mld,motionlcm", "--replications", "1")
    same(records(tmp_path / "cpu"), records(tmp_path / "lazy"))


def test_score(call: Call, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "motions"
    folder.mkdir()
    for sample in HumanML3DFolder(corpus).load("test")[0]:
        np.save(folder / f"{sample.id}.npy", sample.features.numpy()[::-1].copy())
    on_both(call, tmp_path, "score", "--motions", folder, "--replications", "1", "--skip-self-test")
    same(records(tmp_path / "cpu"), records(tmp_path / "lazy"))


def test_generate(call: Call, tmp_path: Path) -> None:
    on_both(call, tmp_path, "generate", "a person walks", "someone waves", "--count", "2", "--frames", "40")
    here, there = (sorted((tmp_path / name).glob("*.joints.npy")) for name in ("cpu", "lazy"))
    assert [path.name for path in here] == [path.name for path in there]
    assert len(here) == 4
    for one, other in zip(here, there, strict=True):
        np.testing.assert_allclose(np.load(one), np.load(other), atol=1e-3)


def test_a_learnt_word_is_used_on_another_device(
    call: Call, corpus: Path, pretended: Pretended, tmp_path: Path
) -> None:
    motion = sorted((corpus / "new_joint_vecs").glob("*.npy"))[0]
    learn = ("mti", "learn", "--exemplar", motion, "--init", "walk", "--name", "gait", "--steps", "2")
    concepts = tmp_path / "concepts"
    assert call(*learn, "--out", concepts) == 0
    for device in ("lazy", "cpu"):
        used = ("generate", "a person <gait>", "--concept", "gait", "--concepts", concepts)
        assert call(*used, "--device", device, "--out", tmp_path / device) == 0
    (here,), (there,) = (list((tmp_path / name).glob("*.joints.npy")) for name in ("cpu", "lazy"))
    np.testing.assert_allclose(np.load(here), np.load(there), atol=1e-3)


def test_a_study(call: Call, pretended: Pretended, tmp_path: Path) -> None:
    for device in ("cpu", "lazy"):
        small = ("--pairs", "2", "--candidates", "4", "--choose", "random", "--steps", "mld=2")
        assert call("study", "create", tmp_path / device, *small, "--device", device) == 0
    here, there = (Study(tmp_path / device) for device in ("cpu", "lazy"))
    assert [pair.sample for pair in here.plan.pairs] == [pair.sample for pair in there.plan.pairs]
    for pair in here.plan.pairs:
        for one, other in zip(here.motions[pair.name], there.motions[pair.name], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_strips(call: Call, corpus: Path, pretended: Pretended, tmp_path: Path) -> None:
    sample = HumanML3DFolder(corpus).ids("test")[0]
    out = tmp_path / "strip.png"
    assert call("strips", "--id", sample, "--backbone", "motionlcm", "--out", out) == 0
    assert out.stat().st_size > 10_000


def test_latency_of_shipped_and_of_random_models(
    pretended: Pretended, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for preset in ("micro", "tiny"):
        command = ("latency", "--preset", preset, "--backbone", "mld,motionlcm", "--steps", "1;mld=2", "--batch", "2")
        options = ("--rounds", "1", "--frames", "40", "--out", str(tmp_path / preset))
        assert plain_call(*command, *options) == 0
        assert "Computed on lazy" in capsys.readouterr().out
        assert {r.compute.device for r in records(tmp_path / preset) if r.compute} == {"lazy:0"}


def test_doctor_compares_every_part(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from leadbench.doctor.device import examine_device
    from leadbench.plugins.manager import load_plugins

    found = list(examine_device(load_plugins(), None))
    assert found[0].found.startswith("auto is lazy:0 here")
    parts = [entry.what for entry in found[1:]]
    assert len(parts) == 11
    assert {f"on the device: {what}" for what in ("noise", "decoder", "joints", "projector")} <= set(parts)
    assert not any(entry.wrong for entry in found)
    monkeypatch.setattr("leadbench.doctor.device.TOLERANCE", -1.0)
    assert all(entry.wrong for entry in list(examine_device(load_plugins(), None))[1:])


def test_several_processes_compute_on_their_own_devices(call: Call, corpus: Path, tmp_path: Path) -> None:
    from leadbench.core.config import T2MConfig
    from leadbench.tasks.shared.request import RunRequest
    from leadbench.tasks.shared.runner import LocalPool, Recipe, run_task
    from leadbench.zoo.assets import Choice
    from leadbench.zoo.embedded import shipped

    config = T2MConfig.quick(replications=1, multimodality_replications=0)
    request = RunRequest(("motionlcm",), self_test=False, config=config)
    # no second device can be pretended in another process: that each takes its own is seen by some that are not there
    recipe = Recipe("t2m", request, Choice(str(corpus), models=shipped().folder, device="cpu"))
    done = run_task(recipe.open(), tmp_path / "own", executor=LocalPool(recipe, 2, ["cpu", "cpu"]))
    assert {record.compute.device for record in done.records if record.compute} == {"cpu"}
    from leadbench.core.errors import ConfigError

    with pytest.raises(ConfigError, match=r"cuda:[67]"):
        run_task(recipe.open(), tmp_path / "none", executor=LocalPool(recipe, 2, ["cuda:6", "cuda:7"]))
