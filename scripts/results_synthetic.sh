#!/usr/bin/env bash
# Makes what results/synthetic holds, under runs/synthetic: the shipped set, further trainings of its denoisers and projector,
# the ablated projectors, every run, and the claims over all trainings.
# Usage: scripts/results_synthetic.sh [WORK]
#   WORK  corpus, models and checkpoints (default build/zoo); a set that is there is used as it is
#   SEEDS  further trainings, by seed (default "1 2 3 4")
# Every step resumes: start the script again after an interruption.
set -euo pipefail
WORK=${1:-build/zoo}
SEEDS=${SEEDS:-1 2 3 4}
BIN=${BIN:-.venv/bin}
DATA=$WORK/data
MODELS=$WORK/models
OUT=runs/synthetic
# glibc hands freed tensors back to the kernel and faults them in again: up to half of the time on a CPU
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456

"$BIN/leadbench" zoo build micro --work "$WORK"

# A training is everything that is evaluated: both denoisers and the projector. The autoencoder and the evaluator stay, so that
# all trainings share a latent space and a judge.
train() { OMP_NUM_THREADS=1 "$BIN/leadbench" train "$@" --dataset "$DATA" --preset micro; }
training() {
  local folder=$WORK/seed-$1 seed="loop.seed=$1"
  mkdir -p "$folder" && cp -n "$MODELS"/{autoencoder,evaluator}.{safetensors,json} "$folder/"
  train diffusion --text-encoder minilm --models "$folder" --set "$seed"
  train projector --models "$folder" --set "$seed"
  train diffusion --text-encoder wordllama --models "$folder" --set "$seed"
  train consistency --models "$folder" --set "$seed"
}
# two trainings at once, a thread each
export -f train training
export BIN DATA MODELS WORK
xargs -n 1 -P 2 bash -c 'set -eu; training "$1"' _ <<< "$SEEDS"

run() { OMP_NUM_THREADS=1 "$BIN/leadbench" "$@" --dataset "$DATA" --out "$OUT"; }
benchmark() { run run --backbone mld,motionlcm --steps 1,2,4 --controls --metric gallery --jobs 2 "$@"; }
benchmark --models "$MODELS" --replications 20 --multimodality-replications 3
# the paper's claims are about its guidance: there all trainings are judged together
benchmark --models "$MODELS" --guidance 7.5 --replications 5 --multimodality-replications 1
for seed in $SEEDS; do
  benchmark --models "$WORK/seed-$seed" --guidance 7.5 --replications 5 --multimodality-replications 1
done
run run --models "$MODELS" --backbone motionlcm --steps 1,2,4 --quick --jobs 2
# at the published guidance: at their own the models leave a projector nothing to do
run ablate projector --models "$MODELS" --guidance 7.5 --multimodality-replications 1 --jobs 2
run mti run --models "$MODELS" --ablation
run structure --models "$MODELS" --figure "$OUT/latent-structure.png"
"$BIN/leadbench" claims "$OUT" > "$OUT/claims.md" || true  # its exit status tells whether every claim holds
