"""What a stranger's parts hold, and the options they were made with, are part of what a run is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from command import call

from leadbench.results.records import Record
from leadbench.results.store import RunStore, load_runs

PLUGIN = """
import torch
from pydantic import BaseModel
import shutil
from pathlib import Path
from leadbench import BackboneRegistration, Latent, Registration, hookimpl

HERE = Path(__file__).parent

class Options(BaseModel, extra="forbid"):
    scale: float = 1.0

class Linear:
    name, default_steps = "linear", 1

    def __init__(self, context):
        self.autoencoder, self.text_encoder = context.autoencoder(), context.text_encoder("wordllama")
        self.table = {"nested": [torch.load(HERE / "weights.pt")]}  # in a way that nobody is told of
        self.scale = context.options.scale

    def supports_steps(self, steps):
        return steps == 1

    def default_guidance(self, steps):
        return None

    def sample(self, condition, motion_mask, noise, *, steps, guidance):
        spec = self.autoencoder.latent
        start = noise.normal("initial", (spec.tokens, spec.width))
        return Latent.full(self.scale * (start + condition.pooled()[:, None, : spec.width] @ self.table["nested"][0]))

def factor(context):
    scale = float((HERE / "factor.txt").read_text())
    return lambda motions: motions.joints[:, 0, 0, 1] * scale

@hookimpl
def leadbench_backbones():
    return [BackboneRegistration("linear", "", Linear, display="Linear", options=Options)]

@hookimpl
def leadbench_metrics():
    return [Registration("scaled", "", factor)]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "linear.py"
    path.write_text(PLUGIN)
    torch.save(torch.eye(32), tmp_path / "weights.pt")
    (tmp_path / "factor.txt").write_text("1.0")
    return path


def run(tiny: Path, plugin: Path, *options: object) -> dict[str, list[Record]]:
    """Run, and give the records of all runs so far by their folders."""
    common = ("--dataset", tiny / "data", "--models", tiny / "models", "--replications", "1", "--projector", "none")
    few = ("--multimodality-replications", "0", "--skip-self-test", "--out", plugin.parent / "runs")
    assert call("run", "--backbone", "linear", "--plugin", plugin, *common, *few, *options) == 0
    headers = (plugin.parent / "runs").rglob("run.json")
    return {str(header.parent): list(RunStore(header.parent).load().records) for header in headers}


def fid(records: list[Record]) -> float:
    (found,) = [r.metrics["fid"] for r in records if r.row.backbone == "linear"]
    assert found is not None
    return found


def test_other_weights_are_another_run(tiny: Path, plugin: Path) -> None:
    first = run(tiny, plugin)
    assert run(tiny, plugin).keys() == first.keys()
    torch.save(torch.zeros(32, 32), plugin.parent / "weights.pt")
    after = run(tiny, plugin)
    (new,) = after.keys() - first.keys()
    assert fid(after[new]) != pytest.approx(fid(next(iter(first.values()))), rel=1e-3)


def test_another_metric_of_the_same_name_is_another_run(tiny: Path, plugin: Path) -> None:
    first = run(tiny, plugin, "--metric", "scaled")
    (plugin.parent / "factor.txt").write_text("100.0")
    after = run(tiny, plugin, "--metric", "scaled")
    (new,) = after.keys() - first.keys()
    before, later = ({r.row: r.metrics["scaled"] for r in records} for records in (*first.values(), after[new]))
    assert {row: value and 100 * value for row, value in before.items()} == pytest.approx(later, rel=1e-4)


def test_options_win_in_order_and_make_another_run(
    tiny: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(plugin.parent)
    first = run(tiny, plugin)
    assert run(tiny, plugin, "--option", "linear.scale=1").keys() == first.keys()
    Path("leadbench.toml").write_text("[options.linear]\nscale = 3\n")
    by_file = run(tiny, plugin)
    assert len(by_file) == 2
    assert run(tiny, plugin, "--option", "linear.scale=3").keys() == by_file.keys()
    monkeypatch.setenv("LEADBENCH_OPTIONS__LINEAR__SCALE", "5")
    assert len(run(tiny, plugin)) == 3
    assert len(run(tiny, plugin, "--option", "linear.scale=1.0")) == 3
    assert len({fid(records) for records in run(tiny, plugin).values()}) == 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("linear.scal=2", "--option linear.scal: no such option (allowed: scale; did you mean 'scale'?)"),
        ("linear.scale=much", "--option linear.scale=much: Input should be a valid number"),
        ("lineal.scale=2", "unknown part 'lineal'"),
        ("mld.scale=2", "'mld' takes no options"),
        ("scale=2", "--option scale=2: must be NAME.KEY=VALUE, such as mine.k=5"),
    ],
)
def test_wrong_options(
    option: str, message: str, tiny: Path, plugin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--dataset", tiny / "data", "--models", tiny / "models", "--plugin", plugin, "--out", tmp_path / "none")
    assert call("run", "--backbone", "linear", *common, "--option", option) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_a_plugin_that_is_not_there(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--backbone", "mld", "--plugin", tmp_path / "gone.py", "--out", tmp_path / "none") == 2
    assert "gone.py: no such file" in capsys.readouterr().err


def test_a_backbone_that_nobody_trained_says_so(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--dataset", tiny / "data", "--models", tiny / "models", "--replications", "1", "--skip-self-test")
    assert call("run", "--backbone", "reflow", *common, "--out", tmp_path / "runs") == 0
    said = capsys.readouterr()
    assert "WARNING: backbone 'reflow' is not trained: it has initial weights" in said.out


def test_plain_steps_speak_to_a_backbone_that_is_alone(tiny: Path, tmp_path: Path) -> None:
    common = ("--dataset", tiny / "data", "--models", tiny / "models", "--replications", "1", "--skip-self-test")
    assert call("run", "--backbone", "mld", "--steps", "2,3", *common, "--out", tmp_path / "runs") == 0
    (stored,) = load_runs(tmp_path / "runs")
    assert {r.row.steps for r in stored.records if r.row.backbone == "mld" and r.row.steps} == {2, 3}


def test_every_command_that_takes_parts_takes_plugins() -> None:
    import typer

    from leadbench.cli.main import app

    def walk(command: typer.core.TyperCommand | object, name: str) -> list[tuple[str, set[str]]]:
        if hasattr(command, "list_commands"):
            context = typer.Context(command)  # type: ignore[arg-type]
            below = [(n, command.get_command(context, n)) for n in command.list_commands(context)]
            return [found for n, each in below for found in walk(each, f"{name} {n}")]
        return [(name, {option for parameter in command.params for option in parameter.opts})]  # type: ignore[attr-defined]

    parts = {"--backbone", "--evaluator", "--metric", "--projector", "--text-encoder", "--task", "--autoencoder"}
    stored_or_official = {" claims", " zoo import"}  # names of stored rows; files of two known encoders
    found = [name for name, options in walk(typer.main.get_command(app), "") if parts & options]
    lacking = [
        name
        for name, options in walk(typer.main.get_command(app), "")
        if parts & options and not {"--plugin", "--option"} <= options
    ]
    assert len(found) > 15
    assert set(lacking) <= stored_or_official


def test_a_backbone_of_ones_own_is_judged(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Claims of the paper are of its backbones; LEAD's gain on others is judged beside them."""
    data = ("--dataset", tiny / "data", "--models", tiny / "models")
    few = ("--replications", "3", "--multimodality-replications", "0", "--skip-self-test", "--out", tmp_path / "runs")
    assert call("run", "--backbone", "flow", "--steps", "1,2", *data, *few) == 0
    capsys.readouterr()
    assert call("claims", tmp_path / "runs") in (0, 3)  # 3: a claim fails, as it may with models of four steps
    said = capsys.readouterr().out
    assert "LEAD lowers Flow's FID at 1, 2 steps" in said


def test_guidance_stands_in_the_card(tiny: Path, tmp_path: Path) -> None:
    """Chosen once, on the validation split, and used wherever none is asked for; older cards have the published one."""
    models = Path(shutil.copytree(tiny / "models", tmp_path / "models", ignore=shutil.ignore_patterns("checkpoints")))
    data = ("--dataset", tiny / "data", "--models", models)
    few = ("--replications", "1", "--multimodality-replications", "0", "--projector", "none", "--skip-self-test")
    command = ("run", "--backbone", "mld,motionlcm", "--steps", "mld=2;motionlcm=1,2", *data, *few)
    assert call(*command, "--out", tmp_path / "before") == 0
    chosen = ("--preset", "tiny", *data, "--restart")
    assert call("train", "diffusion", *chosen, "--set", "diffusion.guidance=2.5") == 0
    assert call("train", "consistency", *chosen, "--set", "consistency.guidance=1.5") == 0
    assert call(*command, "--out", tmp_path / "after") == 0
    found = {}
    for when in ("before", "after"):
        (run,) = load_runs(tmp_path / when)
        found[when] = {(r.row.backbone, r.row.guidance) for r in run.records if r.row.backbone}
    assert found["before"] == {("mld", 7.5), ("motionlcm", 7.5)}
    assert found["after"] == {("mld", 2.5), ("motionlcm", 1.5)}


def test_projectors_of_other_spaces_are_no_projectors(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under ``auto`` they are passed over with a word; named, they are refused, unless a mismatch is asked for."""
    models = Path(shutil.copytree(tiny / "models", tmp_path / "models"))
    data = ("--dataset", tiny / "data", "--models", models)
    assert call("train", "autoencoder", "--preset", "tiny", *data, "--set", "loop.seed=1", "--restart") == 0
    assert call("train", "diffusion", "--text-encoder", "wordllama", "--preset", "tiny", *data, "--restart") == 0
    few = (
        "--replications",
        "1",
        "--multimodality-replications",
        "0",
        "--skip-self-test",
        "--text-encoder",
        "wordllama",
    )
    command = ("run", "--backbone", "mld", "--steps", "mld=2", *data, *few)
    assert call(*command, "--out", tmp_path / "a") == 0
    said = capsys.readouterr().out
    assert "LEAD (MLD)" not in said
    assert "no projector of this latent space; those of the model folder belong to others" in said
    assert call(*command, "--out", tmp_path / "b", "--projector", models / "projector.safetensors") == 2
    assert "aligned to latent space" in capsys.readouterr().err
    assert call("plugins", "check", "lead", "--path", models / "projector.safetensors", "--models", models) == 2
    assert "FAIL  projector:lead  latent space  lead: of the latent space" in capsys.readouterr().out
    assert call(*command, "--out", tmp_path / "c", "--allow-latent-mismatch") == 0
    assert "LEAD (MLD)" in capsys.readouterr().out
