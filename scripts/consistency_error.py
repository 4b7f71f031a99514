"""How far a consistency model is from where its teacher ends, by timestep: a table, and with --figure a picture.

Usage: consistency_error.py DATASET MODELS [--text-encoder NAME] [--guidance 1.5,3,7.5] [--figure FILE.png]

Latents of the validation split are noised to a timestep. The teacher goes from there to the end by guided DDIM in the
steps that the student was distilled with; the student predicts the end at once. The error is the mean square of the
difference over that of the end; the spread is the mean deviation over the batch, of the student and of the teacher.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tabulate import tabulate
from torch import Tensor

from leadbench.core.tensors import Condition
from leadbench.data.humanml3d import collate, draw
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.sampling import boundary_scalings
from leadbench.nn.schedule import NoiseSchedule
from leadbench.zoo.assets import Choice, open_assets

STRIDE = 20
TIMESTEPS = (19, 59, 99, 199, 299, 399, 499, 599, 699, 799, 899, 999)
SCHEDULE = NoiseSchedule.scaled_linear()


def teachers_end(
    teacher: Denoiser, noisy: Tensor, start: int, text: Condition, null: Condition, scale: float
) -> Tensor:
    """Where guided DDIM from a timestep ends, [B, N, M]."""
    for now in range(start, 0, -STRIDE):
        at, after = torch.full((len(noisy),), now), torch.full((len(noisy),), max(now - STRIDE, 0))
        given, free = (teacher(noisy, at, c.tokens, text_mask=c.mask) for c in (text, null))
        noise = free + scale * (given - free)
        noisy = SCHEDULE.add_noise(SCHEDULE.clean_from_noise(noisy, noise, at), noise, after)
    return noisy


def students_end(student: Denoiser, noisy: Tensor, start: int, text: Condition, scale: float) -> Tensor:
    """What the student predicts, [B, N, M]."""
    at, weight = torch.full((len(noisy),), start), torch.full((len(noisy),), scale - 1)
    clean = SCHEDULE.clean_from_noise(noisy, student(noisy, at, text.tokens, weight, text.mask), at)
    skip, out = boundary_scalings(at)
    return skip[:, None, None] * noisy + out[:, None, None] * clean


def spread(latents: Tensor) -> float:
    """Mean standard deviation over the batch."""
    return float(latents.std(dim=0).mean())


@torch.no_grad()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--text-encoder", default="wordllama")
    parser.add_argument("--guidance", default="1.5,3,7.5")
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    opened = open_assets(Choice(dataset="folder", root=asked.dataset, models=asked.models))
    store = opened.models
    teacher, student = (store.denoiser(f"{stage}-{asked.text_encoder}")[0] for stage in ("diffusion", "consistency"))
    autoencoder, encoder = store.autoencoder(), store.text_encoder(asked.text_encoder)
    drawn = draw(opened.dataset.load("val")[0], 0, 0)
    clean = autoencoder.encode(collate([item.features for item in drawn]).normalize(autoencoder.motion)).loc
    text, null = encoder.encode([item.caption.caption for item in drawn]), encoder.null(len(drawn))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    rows = []
    for scale in map(float, asked.guidance.split(",")):
        for start in TIMESTEPS:
            noisy = noise if start == 999 else SCHEDULE.add_noise(clean, noise, torch.full((len(clean),), start))
            end = teachers_end(teacher, noisy, start, text, null, scale)
            mine = students_end(student, noisy, start, text, scale)
            error = float((mine - end).square().mean() / end.square().mean())
            rows.append((scale, start, error, spread(mine), spread(end)))
    print(tabulate(rows, ("guidance", "timestep", "error", "spread", "teacher's spread"), "github", floatfmt=".3f"))
    if asked.figure:
        draw_figure(rows, asked.figure)


def draw_figure(rows: list[tuple[float, int, float, float, float]], path: Path) -> None:
    """Error and ratio of spreads over timesteps, a line for each guidance."""
    figure = Figure(figsize=(10, 4))
    FigureCanvasAgg(figure)
    for place, (title, value) in enumerate(
        (("error", lambda row: row[2]), ("spread over the teacher's", lambda row: row[3] / row[4]))
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        for scale in dict.fromkeys(row[0] for row in rows):
            mine = [row for row in rows if row[0] == scale]
            axes.plot([row[1] for row in mine], [value(row) for row in mine], marker="o", label=f"guidance {scale:g}")
        axes.set(xlabel="timestep", title=title)
        axes.legend(frameon=False)
        axes.grid(color="#E5E5E5")
    figure.savefig(path, dpi=120, facecolor="white", bbox_inches="tight")


if __name__ == "__main__":
    main()
