from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leadbench.cli.sweep import options_of as cli_options
from leadbench.core.errors import ConfigError, UnknownNameError
from leadbench.sweep.description import read_sweep
from leadbench.sweep.pieces import Piece, pieces_of
from leadbench.sweep.table import direct_needs, levels
from sweeps import SMALL, described, options_of


def made(**changes: Any) -> dict[str, Piece]:
    return {piece.name: piece for piece in pieces_of(described(**changes), options_of)}


def test_every_training_seed_and_part_is_a_piece_after_those_that_it_needs() -> None:
    pieces = made()
    assert list(pieces) == [
        "bnr/shared/autoencoder",
        "bnr/seed-0/projector",
        "bnr/seed-1/projector",
        "bnr/seed-0/diffusion",
        "bnr/seed-1/diffusion",
        "bnr/seed-0/diffusion-wordllama",
        "bnr/seed-1/diffusion-wordllama",
        "bnr/seed-0/consistency-wordllama",
        "bnr/seed-1/consistency-wordllama",
        *(f"bnr/seed-{seed}/run{part}" for seed in (0, 1) for part in (".1", ".2", "")),
        "finish/claims",
    ]
    assert pieces["bnr/seed-1/projector"].needs == ("bnr/shared/autoencoder",)
    assert set(pieces["bnr/seed-1/consistency-wordllama"].needs) == {
        "bnr/shared/autoencoder",
        "bnr/seed-1/diffusion-wordllama",
    }
    assert direct_needs([*pieces.values()])["bnr/seed-1/run.1"] == [
        "bnr/seed-1/projector",
        "bnr/seed-1/diffusion",
        "bnr/seed-1/consistency-wordllama",
    ]
    assert pieces["bnr/seed-0/run"].needs == ("bnr/seed-0/run.1", "bnr/seed-0/run.2")
    assert len(pieces["finish/claims"].needs) == len(pieces) - 1
    assert dict(zip(pieces, levels([*pieces.values()]), strict=True))["bnr/seed-0/run"] == 5


def test_commands_are_what_a_user_would_type() -> None:
    pieces = made()
    assert " ".join(pieces["bnr/shared/autoencoder"].arguments) == (
        "train autoencoder --preset tiny --device cpu --dataset data/bnr --models data/bnr/models/shared "
        "--set loop.seed=0 --replace"
    )
    assert " ".join(pieces["bnr/seed-1/run.2"].arguments) == (
        "run --preset tiny --device cpu --dataset data/bnr --models data/bnr/models/seed-1 "
        "--out runs/.sweep/parts/bnr/seed-1/run/2 --backbone mld --steps 1,2 --controls --part 2/2"
    )
    assert " ".join(pieces["finish/claims"].arguments) == "claims runs"
    assert str(pieces["finish/claims"].stdout) == "runs/claims.md"


def test_options_of_an_entry_win_over_those_of_the_sweep_and_keep_its_own_changes() -> None:
    train = [{"stage": "autoencoder", "options": {"device": "cuda", "set": ["loop.steps=7"]}}]
    words = made(train=train, task=[], finish=[])["bnr/seed-1/autoencoder"].arguments
    assert " ".join(words).endswith(
        "--device cuda --dataset data/bnr --models data/bnr/models/seed-1 "
        "--set loop.steps=7 --set loop.seed=1 --replace"
    )


def test_expected_seconds_are_divided_among_parts() -> None:
    task = [{"command": "run", "parts": 2, "seconds": 30}]
    pieces = made(task=task, train=[{"stage": "autoencoder", "seconds": 5}])
    assert pieces["bnr/seed-0/autoencoder"].expected == 5
    assert [pieces[f"bnr/seed-0/run{part}"].expected for part in (".1", ".2", "")] == [15, 15, None]


def test_without_trainings_the_models_are_used_as_they_are() -> None:
    pieces = made(train=[], datasets={"official": {"dataset": "humanml3d", "root": "H", "models": "weights"}})
    assert next(iter(pieces)) == "official/run.1"
    assert "--dataset humanml3d --root H --models weights" in " ".join(pieces["official/run.1"].arguments)


def test_a_dataset_is_prepared_before_everything() -> None:
    prepare = {"command": "data prepare bnr", "options": {"out": "{dataset}"}}
    pieces = made(datasets={"bnr": {"dataset": "D", "prepare": prepare}})
    assert pieces["bnr/prepare"].arguments == ("data", "prepare", "bnr", "--out", "D")
    assert all("bnr/prepare" in piece.needs for piece in pieces.values() if piece.entry not in ("prepare", "merge"))


def test_a_task_may_need_some_trainings_with_what_those_need() -> None:
    task = [{"command": "run", "needs": ["consistency-wordllama"], "seeds": [1]}]
    piece = made(task=task, finish=[])["bnr/seed-1/run"]
    assert set(piece.needs) == {
        "bnr/shared/autoencoder",
        "bnr/seed-1/diffusion-wordllama",
        "bnr/seed-1/consistency-wordllama",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": [{"command": "run", "options": {"stepps": 1}}]},
            r"run: unknown option 'stepps' .*did you mean 'steps'",
        ),
        ({"options": {"presett": "tiny"}}, "options of the sweep: unknown option 'presett' .*did you mean 'preset'"),
        ({"task": [{"command": "run", "options": {"controls": 3}}]}, "'controls': is a flag"),
        ({"task": [{"command": "run", "options": {"steps": True}}]}, "'steps': needs a value"),
        ({"task": [{"command": "run", "needs": ["difusion"]}]}, "did you mean 'diffusion'"),
        ({"task": [{"command": "run", "datasets": ["bmr"]}]}, "run: datasets: unknown dataset 'bmr'"),
        ({"task": [{"command": "run", "seeds": [5]}]}, "5 is none of the sweep's"),
        ({"task": [{"command": "run"}, {"command": "run"}]}, "two entries are called 'run'"),
        ({"train": [*SMALL["train"], {"stage": "length", "name": "a/b"}]}, "cannot be a file's name"),
        (
            {"train": [{"stage": "diffusion", "shared": True}, {"stage": "autoencoder"}]},
            "needs autoencoder, which is not",
        ),
        (
            {
                "train": [
                    {"stage": "length", "name": "a", "needs": ["b"]},
                    {"stage": "length", "name": "b", "needs": ["a"]},
                ]
            },
            "need each other: a, b",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        made(**changes)


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "sweeps").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_sweep_of_the_repository_gives_its_commands_options_that_they_have(file: Path) -> None:
    pieces = pieces_of(read_sweep(file), cli_options)
    assert len(pieces) > 10
    assert all(set(piece.needs) <= {one.name for one in pieces} for piece in pieces)


def test_options_of_commands_are_those_of_the_command_line() -> None:
    known = cli_options("train autoencoder")
    assert known["set"].repeated
    assert known["replace"].flag
    assert not known["dataset"].flag
    for command, message in (
        ("trian x", "did you mean 'train'"),
        ("train", "allowed: autoencoder"),
        ("", "allowed: ablate"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            cli_options(command)
