"""Full-size files in the official layouts: recognised, strict, imported once, within the memory that is promised."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from official_layouts import manifest, random_state, write_backbone, write_evaluator, write_glove

from leadbench.core.errors import ConfigError, UnknownNameError, WeightsError
from leadbench.core.tensors import LatentSpec, MotionSpec, TextSample, lengths_to_mask
from leadbench.zoo.imports import import_official
from leadbench.zoo.inspect import compare, inspect
from leadbench.zoo.official_backbone import official_backbone
from leadbench.zoo.official_evaluator import official_evaluator
from leadbench.zoo.official_files import OfficialFiles
from leadbench.zoo.store import ModelStore

BACKBONES = {
    "mld_humanml3d": ("mld", "clip", (1, 256), 263),
    "mld_kit": ("mld", "clip", (1, 256), 251),
    "mld_teacher_of_motionlcm_v1_humanml3d": ("mld", "t5", (1, 256), 263),
    "mld_teacher_of_motionlcm_v2_humanml3d": ("mld", "t5", (16, 32), 263),
    "motionlcm_v1_humanml3d": ("motionlcm", "t5", (1, 256), 263),
    "motionlcm_v2_humanml3d": ("motionlcm-v2", "t5", (16, 32), 263),
}


def motion_spec(width: int = 263) -> MotionSpec:
    name, fps = ("humanml3d", 20.0) if width == 263 else ("kit", 12.5)
    return MotionSpec(name, fps, torch.linspace(-1, 1, width), torch.linspace(0.5, 2, width))


def store(folder: Path, official: OfficialFiles | None = None) -> ModelStore:
    return ModelStore(folder, lambda name, models: pytest.fail(f"asked for text encoder {name}"), official)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_official_backbone_is_recognised_imported_and_loaded(golden: Path, tmp_path: Path, name: str) -> None:
    kind, encoder, latent, features = BACKBONES[name]
    counts = manifest(golden, "case")["parameters"]
    path = tmp_path / "model.ckpt"
    write_backbone(path, golden, name)
    facts = inspect(path)
    assert facts["import with"] == f"--as {kind}"
    assert facts["latent"] == f"{latent[0]} x {latent[1]}"
    assert "t2m_textencoder.*" in facts["left out"]
    imported = import_official(path, kind, tmp_path / "models", motion_spec(features))
    if name in counts:
        # of the denoiser only mem_pos.pe is not used
        mem = manifest(golden, name).get("denoiser.mem_pos.pe", [0])
        expected = counts[name]["vae_params"] + counts[name]["denoiser_params"] - int(np.prod(mem))
        assert store(tmp_path / "models").card(kind).metrics["parameters"] in (expected, expected + int(np.prod(mem)))
    model = store(tmp_path / "models").official(kind)
    direct = store(tmp_path / "none", OfficialFiles({kind: path}, motion=motion_spec(features))).official(kind)
    assert model is not None
    assert direct is not None
    assert model.text_encoder == direct.text_encoder == encoder
    assert model.autoencoder.latent == LatentSpec(*latent)
    assert model.autoencoder.fingerprint == direct.autoencoder.fingerprint
    assert f"latent: {model.autoencoder.fingerprint}"[:40] in "\n".join(
        f"{key}: {value}" for key, value in inspect(imported).items()
    )
    for mine, other in ((model.denoiser, direct.denoiser), (model.autoencoder.network, direct.autoencoder.network)):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), other.parameters(), strict=True))
    mask = lengths_to_mask(torch.tensor([40, 24]))
    normal = model.autoencoder.network.encode(torch.randn(2, 40, features), mask)
    assert model.autoencoder.network.decode(normal.loc, mask).isfinite().all()


def test_every_tensor_is_used_or_named(golden: Path) -> None:
    """Changing any tensor of the file changes ours, but for the one that is named as left out."""
    state = random_state(manifest(golden, "mld_humanml3d"))
    found = official_backbone(state, "x")
    ours = {**found.autoencoder_state, **{f"d.{k}": v for k, v in found.denoiser_state.items()}}
    total = sum(float(t.double().sum()) for name, t in ours.items() if "latent_s" not in name)
    used = sum(float(t.double().sum()) for name, t in state.items() if name != "denoiser.mem_pos.pe")
    assert total == pytest.approx(used, rel=1e-9)
    assert list(found.left_out) == ["denoiser.mem_pos.pe"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("denoiser.encoder.linear_blocks.2.weight"),
            r"missing denoiser\.encoder\.linear_blocks\.2\.weight",
        ),
        (
            lambda s: s.update({"vae.final_layer.weight": torch.zeros(263, 255)}),
            r"vae\.final_layer\.weight is \[263, 255\]",
        ),
        (lambda s: s.update({"vae.extra": torch.zeros(1)}), r"unexpected vae\.extra"),
        (lambda s: s.update({"teacher.x": torch.zeros(1)}), r"unexpected tensors teacher\.x"),
    ],
)
def test_missing_misshapen_and_unknown_tensors_are_listed(golden: Path, change: object, message: str) -> None:
    state = random_state(manifest(golden, "mld_humanml3d"))
    change(state)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=message):
        official_backbone(state, "x")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("denoiser.time_embedding.linear_1.weight", torch.zeros(768), r"linear_1\.weight is \[768\], needs 2 axes"),
        ("denoiser.encoder.middle_block.linear1.bias", torch.tensor(0.0), r"linear1\.bias is \[\], needs 1 axes"),
        ("denoiser.time_embedding.linear_2.bias", torch.tensor(0.0), r"linear_2\.bias is \[\]"),
        ("denoiser.encoder.input_blocks.0.self_attn.in_proj_bias", torch.tensor(0.0), r"in_proj_bias is \[\]"),
        ("denoiser.emb_proj.1.weight", torch.zeros(256), r"emb_proj\.1\.weight is \[256\], needs 2 axes"),
        ("denoiser.query_pos.pe", torch.zeros(256), r"query_pos\.pe is \[256\], needs 2 or 3 axes"),
        ("vae.final_layer.bias", torch.tensor(0.0), r"vae\.final_layer\.bias is \[\], needs 1 axes"),
        ("vae.skel_embedding.weight", torch.zeros(0, 263), r"vae\.skel_embedding\.weight is \[0, 263\]"),
        ("vae.global_motion_token", torch.zeros(2), r"global_motion_token is \[2\], needs 2 axes"),
        ("vae.query_pos_encoder.pe", torch.tensor(1.0), r"query_pos_encoder\.pe is \[\], needs 2 or 3 axes"),
        ("denoiser.encoder.input_blocks.99999999.x", torch.zeros(1), r"unexpected denoiser\.encoder\.input_blocks\.9"),
        ("vae.final_layer.bias", [0.0], r"vae\.final_layer\.bias is list, no tensor"),
    ],
)
def test_malformed_tensors_are_one_line(golden: Path, name: str, value: object, message: str) -> None:
    state = random_state(manifest(golden, "mld_humanml3d"))
    state[name] = value  # type: ignore[assignment]
    with pytest.raises(WeightsError, match=message) as caught:
        official_backbone(state, "x")
    assert "\n" not in str(caught.value)


def test_all_that_is_missing_is_listed(golden: Path) -> None:
    """A whole block of one stack, the last of its numbers, and something of both networks."""
    state = random_state(manifest(golden, "mld_humanml3d"))
    gone = [name for name in state if name.startswith("denoiser.encoder.input_blocks.3.")]
    gone += ["vae.skel_embedding.bias", "vae.decoder.middle_block.linear2.bias"]
    with pytest.raises(WeightsError) as caught:
        official_backbone({name: tensor for name, tensor in state.items() if name not in gone}, "x")
    assert len(gone) > 10
    assert all(f"missing {name}" in str(caught.value) for name in gone)
    assert "unexpected" not in str(caught.value)


@pytest.mark.parametrize("gone", [("weight",), ("bias",), ("weight", "bias")])
def test_a_text_projection_cannot_be_left_out(golden: Path, gone: tuple[str, ...]) -> None:
    state = random_state(manifest(golden, "mld_humanml3d"))
    for part in gone:
        del state[f"denoiser.emb_proj.1.{part}"]
    with pytest.raises(WeightsError, match=rf"missing denoiser\.emb_proj\.1\.{gone[0]}"):
        official_backbone(state, "x")


def test_which_text_encoder_was_inferred_is_told_and_can_be_overridden(golden: Path, tmp_path: Path) -> None:
    """MLD's own release without the tensor that it never reads looks like a teacher of MotionLCM."""
    path = tmp_path / "mld.ckpt"
    state = write_backbone(path, golden, "mld_humanml3d")
    assert "clip (inferred: it holds denoiser.mem_pos.pe" in inspect(path)["text"]
    del state["denoiser.mem_pos.pe"]
    torch.save(state, path)
    assert "t5 (inferred: it lacks denoiser.mem_pos.pe" in inspect(path)["text"]
    models = store(tmp_path / "none", OfficialFiles({"mld": path}, motion=motion_spec()))
    assert models.notes == ()
    models.official("mld")
    assert "mld: driven by text encoder t5 (inferred: it lacks" in models.notes[0]
    import_official(path, "mld", tmp_path / "models", motion_spec(), "clip")
    imported = store(tmp_path / "models").official("mld")
    assert imported is not None
    assert imported.text_encoder == "clip"
    with pytest.raises(UnknownNameError, match="did you mean 'clip'"):
        import_official(path, "mld", tmp_path / "models", motion_spec(), "clop")
    with pytest.raises(ConfigError, match="only checkpoints have one"):
        import_official(path, "glove", tmp_path / "models", None, "clip")


@pytest.mark.parametrize(
    ("entry", "name", "value", "message"),
    [
        ("text_encoder", "pos_emb.weight", torch.zeros(300), r"text_encoder: pos_emb\.weight is \[300\], needs 2 axes"),
        ("text_encoder", "hidden", torch.tensor(0.0), r"text_encoder: hidden is \[\], needs 3 axes"),
        ("movement_encoder", "main.0.weight", torch.zeros(512, 259), r"main\.0\.weight is \[512, 259\], needs 3 axes"),
        ("motion_encoder", "output_net.3.bias", torch.tensor(0.0), r"output_net\.3\.bias is \[\], needs 1 axes"),
        ("motion_encoder", "hidden", "text", r"motion_encoder: hidden is str, no tensor"),
        ("motion_encoder", None, 3, r"motion_encoder: is int, needs to be a state dict"),
        ("motion_encoder", 7, torch.zeros(1), r"unknown \['7'\]"),
    ],
)
def test_malformed_evaluators_are_one_line(golden: Path, entry: str, name: object, value: object, message: str) -> None:
    shapes = manifest(golden, "t2m_evaluators_humanml3d")
    content: dict[str, object] = {part: random_state(shapes[part]) for part in shapes}
    if name is None:
        content[entry] = value
    else:
        content[entry][name] = value  # type: ignore[index]
    with pytest.raises(WeightsError, match=message) as caught:
        official_evaluator(content)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_file_is_not_taken_for_another(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "lcm.ckpt"
    write_backbone(path, golden, "motionlcm_v1_humanml3d")
    with pytest.raises(ConfigError, match=r"MotionLCM, version 1 \(--as motionlcm\), not of MLD"):
        import_official(path, "mld", tmp_path / "models", motion_spec())
    with pytest.raises(ConfigError, match="it is of 'motionlcm', given for backbone 'mld'"):
        store(tmp_path, OfficialFiles({"mld": path}, motion=motion_spec())).official("mld")
    with pytest.raises(WeightsError, match="for 263 features a frame, the dataset has 251"):
        import_official(path, "motionlcm", tmp_path / "models", motion_spec(251))
    with pytest.raises(ConfigError, match=r"needs --dataset"):
        import_official(path, "motionlcm", tmp_path / "models", None)
    with pytest.raises(UnknownNameError, match="did you mean 'motionlcm'"):
        import_official(path, "motionlmc", tmp_path / "models", motion_spec())
    torch.save({"x": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not a checkpoint of MLD or MotionLCM"):
        inspect(path)
    assert not (tmp_path / "models").exists()


def test_one_autoencoder_in_two_layouts_is_one_latent_space(golden: Path, tmp_path: Path) -> None:
    mld, lcm, other = (tmp_path / f"{name}.ckpt" for name in ("mld", "lcm", "other"))
    state = write_backbone(mld, golden, "mld_humanml3d")
    shared = {name: tensor for name, tensor in state.items() if name.startswith("vae.")}
    write_backbone(lcm, golden, "motionlcm_v1_humanml3d", seed=1, **shared)
    write_backbone(other, golden, "motionlcm_v1_humanml3d", seed=2)
    models = store(tmp_path, OfficialFiles({"mld": mld, "motionlcm": lcm}, motion=motion_spec()))
    first, second = models.official("mld"), models.official("motionlcm")
    assert first is not None
    assert second is not None
    assert first.autoencoder is second.autoencoder
    assert compare(mld, lcm)["one latent space"] == "yes"
    imported = import_official(lcm, "motionlcm", tmp_path / "models", motion_spec())
    assert compare(mld, imported)["one latent space"] == "yes"
    assert compare(mld, other)["one latent space"].startswith("no")


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(("dataset", "width"), [("humanml3d", 263), ("kit", 251)])
def test_evaluators_direct_and_imported_are_one(
    golden: Path, tmp_path: Path, dataset: str, width: int, legacy: bool
) -> None:
    mean, std = np.linspace(0, 1, width, dtype=np.float32), np.linspace(1, 2, width, dtype=np.float32)
    inner = {"humanml3d": "t2m", "kit": "kit"}[dataset]
    write_evaluator(tmp_path / "deps" / inner, golden, dataset, mean, std, legacy)
    write_glove(tmp_path / "deps" / "glove")
    deps = tmp_path / "deps"
    assert inspect(deps)["import with"] == "--as evaluator"
    assert inspect(deps / "glove")["import with"] == "--as glove"
    direct = store(tmp_path, OfficialFiles(evaluator=deps, motion=motion_spec(width))).evaluator()
    import_official(deps, "evaluator", tmp_path / "models", motion_spec(width))
    import_official(deps / "glove", "glove", tmp_path / "models", None)
    imported = store(tmp_path / "models").evaluator()
    assert imported.identity == direct.identity
    assert torch.equal(direct.motion.mean, torch.from_numpy(mean))  # not the dataset's own
    samples = [TextSample("", ("a/DET", "man/NOUN", "walk/VERB"))]
    assert torch.equal(imported.embed_text(samples), direct.embed_text(samples))
    assert direct.dim == 512


def test_what_an_evaluator_lacks_is_told(golden: Path, tmp_path: Path) -> None:
    files = OfficialFiles(evaluator=tmp_path / "t2m", motion=motion_spec())
    with pytest.raises(WeightsError, match=r"finest\.tar: no such file"):
        store(tmp_path, files).evaluator()
    write_evaluator(tmp_path / "t2m", golden, "humanml3d", np.zeros(263, np.float32), np.ones(263, np.float32))
    with pytest.raises(WeightsError, match=r"GloVe vocabulary: .*our_vab_data\.npy not found"):
        store(tmp_path, files).evaluator()
    write_glove(tmp_path / "glove")
    store(tmp_path, files).evaluator()
    (tmp_path / "t2m" / "Comp_v6_KLD01" / "meta" / "std.npy").unlink()
    with pytest.raises(WeightsError, match=r"meta/std\.npy: no such file"):
        store(tmp_path, files).evaluator()


_MEASURE = """
    import sys, torch
    from pathlib import Path
    from leadbench.core.tensors import MotionSpec
    from leadbench.zoo.imports import import_official
    from leadbench.zoo.official_files import OfficialFiles
    from leadbench.zoo.store import ModelStore
    what, path, kind, folder, width = sys.argv[1:]
    motion = MotionSpec("humanml3d" if width == "263" else "kit", 20.0, torch.zeros(int(width)), torch.ones(int(width)))
    torch.nn.Linear(64, 64)(torch.zeros(2, 64))

    def resident(what):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))

    before = resident("VmRSS")
    if what == "import":
        import_official(Path(path), kind, Path(folder), motion)
    else:
        ModelStore(Path(folder), None, OfficialFiles({kind: Path(path)}, motion=motion)).official(kind)
    print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's count of resident memory")
@pytest.mark.parametrize("what", ["import", "load"])
@pytest.mark.parametrize("name", ["mld_humanml3d", "motionlcm_v2_humanml3d"])
def test_memory_stays_below_two_and_a_half_times_the_file(golden: Path, tmp_path: Path, name: str, what: str) -> None:
    path = tmp_path / "model.ckpt"
    write_backbone(path, golden, name)
    arguments = [what, str(path), BACKBONES[name][0], str(tmp_path / "models"), str(BACKBONES[name][3])]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_MEASURE), *arguments], capture_output=True, text=True, check=True
    )
    grown = int(done.stdout)
    size = path.stat().st_size
    assert size > 100e6
    assert 0.2 * size < grown <= 2.5 * size, f"{grown / size:.2f} times the file"
