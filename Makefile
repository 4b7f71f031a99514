# Everything starts from a Python 3.10+ and nothing else; each target makes what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= data/bnr
MODELS ?= $(DATA)/models

.PHONY: setup demo lint test results-bnr clean

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

setup: $(VENV)/.ready

# Real numbers from shipped models on generated motions; no dataset, no network.
demo: setup
	$(BIN)/leadbench run --backbone motionlcm --steps 1,2,4

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -q

# SOURCE is a checkout of the public Bandai-Namco Research motion dataset.
results-bnr: setup
	scripts/results_bnr.sh $(SOURCE) $(DATA)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
