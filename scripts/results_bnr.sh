#!/usr/bin/env bash
# Makes what results/bnr holds, under runs/bnr: prepare, train every stage of preset `small`, run the benchmark, draw pose strips.
# Usage: scripts/results_bnr.sh SOURCE [DATA]
#   SOURCE  checkout of Bandai-Namco-Research-Motiondataset with its archives unpacked
#   DATA    dataset folder to make (default data/bnr); an existing one is used as it is
# Every step resumes: start the script again after an interruption.
set -euo pipefail
SOURCE=$1
DATA=${2:-data/bnr}
BIN=${BIN:-.venv/bin}
# glibc hands freed tensors back to the kernel and faults them in again: up to half of the time on a CPU
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456

[ -d "$DATA" ] || "$BIN/leadbench" data prepare bnr --source "$SOURCE" --out "$DATA"

# Networks of small width: two trainings of one thread each are faster than one after the other with two threads.
# The autoencoder comes first and alone, since everything but the evaluator waits for it.
train() { OMP_NUM_THREADS=${THREADS:-1} "$BIN/leadbench" train "$@" --dataset "$DATA"; }
THREADS=2 train autoencoder
train evaluator & first=$!
train diffusion --text-encoder minilm
wait "$first"
(train diffusion --text-encoder wordllama && train consistency) & student=$!
train projector
train projector --variant no-align
wait "$student"
train motionclip

run() { OMP_NUM_THREADS=1 "$BIN/leadbench" run --dataset "$DATA" --jobs 2 "$@"; }
# at the published guidance, at which the paper's claims are judged; without it the models sample at their own
run --backbone mld,motionlcm --steps 1,2,4 --guidance 7.5 --quick
run --backbone mld,motionlcm --steps 1,2,4 --guidance 7.5 --controls --replications 20 --multimodality-replications 5
run --backbone mld --guidance 1,2.5,5,7.5 --controls --replications 3 --multimodality-replications 0
OMP_NUM_THREADS=1 "$BIN/leadbench" ablate projector --dataset "$DATA" --guidance 7.5 --multimodality-replications 2 --jobs 2
"$BIN/leadbench" mti run --dataset "$DATA" --ablation
"$BIN/leadbench" structure --dataset "$DATA" --figure runs/bnr/structure.png
run --backbone motionclip,mld --guidance 7.5 --replications 20 --multimodality-replications 1
"$BIN/leadbench" strips --dataset "$DATA" --id 2_walk-turn-left_active_012 --steps 4 --out runs/bnr/walk-turn-left.png
"$BIN/leadbench" strips --dataset "$DATA" --id 2_raise-up-right-hand_elderly_007 --steps 4 \
  --out runs/bnr/raise-up-right-hand.png
mkdir -p runs/bnr/cards && cp "${DATA}"/models/*.json runs/bnr/cards/

# MLD with its own head, for comparison, on the same autoencoder
PLAIN="$DATA/plain"
mkdir -p "$PLAIN/cache" && cp -n "$DATA"/models/{autoencoder,evaluator,projector,projector.no-align}.{safetensors,json} "$PLAIN/"
cp -n "$DATA"/models/cache/* "$PLAIN/cache/"
train diffusion --preset small-plain-head --models "$PLAIN"
run --models "$PLAIN" --backbone mld --guidance 1,2.5,7.5 --controls --replications 3 --multimodality-replications 0

# Words of a style that no model was trained on: everything of preset `micro`, without the elderly style of both datasets
HELD="$DATA-without-elderly"
[ -d "$HELD" ] || "$BIN/leadbench" data prepare bnr --source "$SOURCE" --out "$HELD" --hold-out-style elderly,old
mkdir -p "$HELD/models" && cp -n "$DATA"/models/evaluator.* "$HELD/models/"  # the judge has seen every style
for stage in autoencoder diffusion projector; do
  OMP_NUM_THREADS=2 "$BIN/leadbench" train "$stage" --preset micro --dataset "$HELD"
done
"$BIN/leadbench" mti styles --dataset "$HELD" --style elderly

"$BIN/leadbench" claims runs/bnr > runs/bnr/claims.md || true  # its exit status tells whether every claim holds
