"""Plain path against engine at full size, in turns: ``python benchmarks/compare.py`` (about five minutes).

Same random weights, same noise, outputs compared first. ``--quick`` takes fewer rounds, ``--threads`` sets how many
threads torch uses, ``--json FILE`` writes the numbers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import plain
import torch
from torch import Tensor

from leadbench.core.config import EvaluatorConfig
from leadbench.core.device import CPU as HOST
from leadbench.core.device import peak_memory
from leadbench.core.presets import get_preset
from leadbench.core.provenance import hardware
from leadbench.core.random import stream
from leadbench.core.tensors import Condition, Latent, lengths_to_mask
from leadbench.engine.compiled import compiling
from leadbench.engine.decode import DecodeEngine
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.embed import embed_in_buckets
from leadbench.engine.plan import ddim_plan, lcm_plan
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.packing import prepared
from leadbench.nn.sampling import lcm_timesteps
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.timing import Spread, in_turns, probe

CPU = HOST.device
GUIDANCE, FRAMES = 7.5, 196
CAPTION = "a person walks forward and then turns around to the left."


@dataclass(frozen=True)
class Row:
    """Two ways to one output, and how many times faster the second is wanted to be (None: nothing is asked)."""

    name: str
    plain: Callable[[], Tensor]
    fast: Callable[[], Tensor]
    wanted: float | None
    rounds: int = 5
    tolerance: float = 1e-5


def normal(purpose: str, *shape: int) -> Tensor:
    """Standard normal numbers."""
    return torch.from_numpy(stream(0, purpose).standard_normal(shape, dtype="float32"))


class Parts:
    """The networks of preset ``paper``, in both forms."""

    def __init__(self) -> None:
        self.models = RandomModels(get_preset("paper"))
        mld, lcm = self.models.official("mld"), self.models.official("motionlcm")
        vae = mld.autoencoder.network
        self.mld, self.lcm = (plain.PlainDenoiser(m.denoiser).eval() for m in (mld, lcm))
        self.decoder = plain.PlainDecoder(vae).eval()
        self.fast_mld, self.fast_lcm = prepared(mld.denoiser, DenoiseEngine), prepared(lcm.denoiser, DenoiseEngine)
        self.half_mld = prepared(mld.denoiser, DenoiseEngine, torch.bfloat16)
        self.fast_decoder = prepared(vae, DecodeEngine)
        self.text = self.models.text_encoder("clip")
        self.text.null(1)  # once a run
        wide = get_preset("paper-wide").projector.architecture
        self.projectors = {"paper": self.models.projector(), "paper-wide": self.models.projector(wide)}
        self.embedder = EvaluatorNetworks(EvaluatorConfig()).eval().requires_grad_(False).motion


def condition(name: str, batch: int) -> Condition:
    return Condition(normal(name, batch, 1, 768), torch.ones(batch, 1, dtype=torch.bool), "clip")


def loop(parts: Parts, batch: int, wanted: float, rounds: int) -> Row:
    """MLD's 50 guided steps."""
    noise, texts = normal("noise", batch, 1, 256), condition("texts", 2 * batch)
    guide = Guide(texts, GUIDANCE)
    return Row(
        f"MLD loop, batch {batch}",
        lambda: plain.plain_mld(parts.mld, noise, texts.tokens, 50, GUIDANCE),
        lambda: parts.fast_mld.sample(noise, ddim_plan(50), guide),
        wanted,
        rounds,
    )


def compiled(row: Row, name: str, wanted: float | None) -> Row:
    """The same with the denoiser's network compiled."""

    def fast() -> Tensor:
        with compiling():
            return row.fast()

    return Row(name, row.plain, fast, wanted, row.rounds, row.tolerance)


def half_loop(parts: Parts, batch: int, rounds: int) -> Row:
    """The same with bfloat16 weights, which is not the same computation: no tolerance."""
    row, guide = loop(parts, batch, 1.8, rounds), Guide(condition("texts", 2 * batch), GUIDANCE)
    noise = normal("noise", batch, 1, 256)
    fast = lambda: parts.half_mld.sample(noise, ddim_plan(50), guide)  # noqa: E731
    return Row(f"MLD loop, batch {batch}, bf16", row.plain, fast, 1.8, rounds, float("inf"))


def prompt(parts: Parts, rounds: int) -> Row:
    """Caption to features by MLD, batch 1."""
    tower, tokenizer = parts.text.wrapped.tower, parts.text.wrapped._tokenizer  # type: ignore[attr-defined]
    noise, mask = normal("noise", 1, 1, 256), lengths_to_mask(torch.tensor([FRAMES]))

    def plainly() -> Tensor:
        texts = plain.plain_text(tower, tokenizer, [CAPTION], guided=True)
        return parts.decoder(plain.plain_mld(parts.mld, noise, texts, 50, GUIDANCE), [FRAMES])

    def fast() -> Tensor:
        told = parts.text.encode([CAPTION])
        null = parts.text.null(1)
        both = Condition(torch.cat([null.tokens, told.tokens]), torch.cat([null.mask, told.mask]), "clip")
        return parts.fast_decoder.decode(parts.fast_mld.sample(noise, ddim_plan(50), Guide(both, GUIDANCE)), mask)

    return Row("MLD prompt to features, batch 1", plainly, fast, None, rounds, 1e-4)


def text(parts: Parts) -> Row:
    """One caption, and the empty one again on the plain side."""
    tower, tokenizer = parts.text.wrapped.tower, parts.text.wrapped._tokenizer  # type: ignore[attr-defined]
    return Row(
        "text, batch 1",
        lambda: plain.plain_text(tower, tokenizer, [CAPTION], guided=True)[1:],
        lambda: parts.text.encode([CAPTION]).tokens,
        None,
    )


def few_steps(parts: Parts, steps: int) -> Row:
    """MotionLCM, embedding to features, batch 1."""
    noise, told, mask = normal("noise", 1, 1, 256), condition("text", 1), lengths_to_mask(torch.tensor([FRAMES]))
    fresh, timesteps = [normal(f"fresh {i}", 1, 1, 256) for i in range(steps - 1)], lcm_timesteps("v1", steps)
    guide = Guide(told, weight=GUIDANCE - 1)

    def plainly() -> Tensor:
        latent = plain.plain_lcm(parts.lcm, noise, told.tokens, timesteps, GUIDANCE - 1, fresh)
        return parts.decoder(latent, [FRAMES])

    def fast() -> Tensor:
        return parts.fast_decoder.decode(parts.fast_lcm.sample(noise, lcm_plan(timesteps), guide, fresh), mask)

    return Row(f"MotionLCM {steps} steps to features, batch 1", plainly, fast, 1.3, 9, 3e-5)


def decode(parts: Parts, lengths: list[int], name: str, rounds: int) -> Row:
    latent, mask = normal("latent", len(lengths), 1, 256), lengths_to_mask(torch.tensor(lengths))
    return Row(
        name, lambda: parts.decoder(latent, lengths), lambda: parts.fast_decoder.decode(latent, mask), None, rounds
    )


def embed(parts: Parts, count: int, rounds: int) -> Row:
    """Evaluator embedding; lengths uniform over the multiples of 4 from 40 to 196."""
    lengths = torch.from_numpy(stream(0, "lengths").integers(10, 50, count)) * 4
    features = normal("features", count, FRAMES + 4, 263) * lengths_to_mask(lengths, FRAMES + 4)[..., None]
    return Row(
        f"evaluator, {count} motions",
        lambda: plain.plain_embed(parts.embedder, features, lengths),
        lambda: embed_in_buckets(parts.embedder, features, lengths),
        1.3,
        rounds,
    )


def rows(parts: Parts, quick: bool) -> list[Row]:
    mixed = (torch.from_numpy(stream(0, "lengths").integers(10, 50, 32)) * 4).tolist()
    few, some = (2, 3) if quick else (3, 7)
    return [
        loop(parts, 1, None, some),
        compiled(loop(parts, 1, None, some), "MLD loop, batch 1, compiled", 2.5),
        loop(parts, 32, 1.15, few),
        half_loop(parts, 32, few),
        text(parts),
        prompt(parts, some),
        compiled(prompt(parts, some), "MLD prompt to features, batch 1, compiled", 3.5),
        *(few_steps(parts, steps) for steps in (1, 2, 4)),
        decode(parts, [FRAMES], "decode, batch 1", 7),
        decode(parts, mixed, "decode, batch 32, mixed lengths", few),
        embed(parts, 64 if quick else 512, 1 if quick else 2),
    ]


def measure(row: Row) -> dict[str, object]:
    with torch.no_grad():
        first, second = row.plain(), row.fast()
        error = float((first - second).abs().max() / first.abs().max())
        if not error <= row.tolerance:
            raise SystemExit(f"{row.name}: outputs differ by {error:.1e} of the largest magnitude")
        times: dict[str, Spread] = in_turns({"plain": row.plain, "fast": row.fast}, row.rounds, CPU, warm_up=0)
    ratio = times["plain"].median / times["fast"].median
    best = times["plain"].least / times["fast"].least
    return {
        "name": row.name, "plain": asdict(times["plain"]), "fast": asdict(times["fast"]), "ratio": ratio,
        "ratio_of_least": best, "wanted": row.wanted, "error": error,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = probe(CPU)
    print(f"{hardware()}\nmatrix product {machine.product:.0f} GFLOP/s, copy {machine.copy:.1f} GB/s")
    print(f"{'':44}  plain s   fast s  ratio  (least)  wanted  difference")
    found = []
    parts = Parts()
    for row in rows(parts, options.quick):
        if options.only not in row.name:
            continue
        done = measure(row)
        found.append(done)
        wanted = "" if row.wanted is None else f"{row.wanted:.2f}"
        print(
            f"{row.name:44} {done['plain']['median']:8.4f} {done['fast']['median']:8.4f} "  # type: ignore[index]
            f"{done['ratio']:6.2f}  {done['ratio_of_least']:6.2f}  {wanted:>6}  {done['error']:.1e}",
            flush=True,
        )
    added = overhead(parts, 3 if options.quick else 21) if options.only in "projector overhead" else {}
    after = probe(CPU)
    print(f"matrix product {after.product:.0f} GFLOP/s, copy {after.copy:.1f} GB/s")
    print(f"peak memory {peak_memory(CPU) / 2**20:.0f} MiB")
    if options.json:
        content = {
            "hardware": hardware(),
            "before": asdict(machine),
            "after": asdict(after),
            "rows": found,
            "projector": added,
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def overhead(parts: Parts, rounds: int) -> dict[str, dict[str, float]]:
    """What a projector adds to prompt to features, batch 1: the projector alone beside the whole, in turns.

    Between two of its turns whole prompts run, so that its weights are as cold as in use. Differences of whole prompts
    with and without it would be smaller than their spread.
    """
    latent = normal("latent", 1, 1, 256)
    whole = prompt(parts, 0)
    ways: dict[str, Callable[[], object]] = {"plain": whole.plain, "fast": whole.fast}
    for name, chosen in parts.projectors.items():
        ways[f"{name}, plain"] = lambda chosen=chosen: chosen.network(latent)
        ways[f"{name}, fast"] = lambda chosen=chosen: chosen.reproject(chosen.project(Latent.full(latent)))
    with torch.no_grad():
        taken = in_turns(ways, rounds, CPU)
    found = {}
    for name in parts.projectors:
        for side in ("plain", "fast"):
            added, whole = taken[f"{name}, {side}"].median, taken[side].median
            found[f"{name}, {side} path"] = {"milliseconds": 1000 * added, "share": added / whole}
            print(
                f"projector {name}, {side} path: {1000 * added:.1f} ms, {added / whole:+.1%} of {1000 * whole:.0f} ms"
            )
    return found


if __name__ == "__main__":
    main()
