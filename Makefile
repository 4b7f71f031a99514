# Everything starts from a Python 3.10+ and nothing else; each target makes what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= data/bnr
MODELS ?= $(DATA)/models

.PHONY: help setup demo lint test test-cuda docs lock results-bnr results-synthetic clean

help:  ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

setup: $(VENV)/.ready  ## A virtual environment in .venv, with everything

demo: setup  ## Real numbers from shipped models on generated motions; no dataset, no network
	$(BIN)/leadbench run --backbone motionlcm --steps 1,2,4
	$(BIN)/leadbench report runs --motions 2 --backbone motionlcm --steps 4 --out runs/report.html

lint: setup  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then all tests, with coverage
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist worksteal --cov --cov-report=term

test-cuda: setup  ## The tests that need a CUDA device
	$(BIN)/python -m pytest -q -m cuda

docs: setup  ## The documentation as a site in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: setup  ## Write requirements-dev.lock anew
	$(BIN)/python -m pip freeze --exclude-editable > requirements-dev.lock

# SOURCE is a checkout of the public Bandai-Namco Research motion dataset.
results-bnr: setup  ## results/bnr, from SOURCE
	scripts/results_bnr.sh $(SOURCE) $(DATA)

results-synthetic: setup  ## results/synthetic, from nothing: shipped models, four further trainings, runs, claims
	scripts/results_synthetic.sh

clean:  ## Remove what can be made again
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
