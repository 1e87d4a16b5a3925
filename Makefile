# make demo, make test: all they need is Python 3.11 or newer, and make. Everything is installed into .venv.
# To choose the Python: make PYTHON=python3.12 test

PYTHON ?= python3 python python3.14 python3.13 python3.12 python3.11
BIN := .venv/bin
# Touched once everything that pyproject.toml asks for is installed.
READY := .venv/.ready
# Two test processes share the cores; more threads would only get in each other's way.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DELETE_ON_ERROR:
.PHONY: docs demo test rounding faults reliability fuzz scale overnight lint types check format mutants clean

demo: $(READY)
	$(BIN)/causalimg demo --train --out demo

# Which lines ran is counted on request, make test COVERAGE=--cov: it takes half as long again.
test: $(READY)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 $(COVERAGE)

# As long as the tests, not in CI: would they pass on another processor?
rounding: $(READY)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -p tests.rounding

# Half an hour, not in CI: saving killed at sixty moments, and each kind of training at twenty.
faults: $(READY)
	KILLS=60 $(ONE_THREAD) $(BIN)/python -m pytest tests/test_storage.py -k killed
	KILLS=20 $(ONE_THREAD) $(BIN)/python -m pytest tests/test_checkpoint.py -k killed

# Five minutes, not in CI: what users get wrong, and what they then get: docs/reliability.md.
reliability: $(READY)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.reliability --out docs/reliability.md

# An hour, not in CI: files that were changed at random.
fuzz: $(READY)
	EXAMPLES=5000 $(ONE_THREAD) $(BIN)/python -m pytest tests/test_fuzz.py

# Minutes, not in CI: processes that are killed while they train together, workers of Ray while they answer.
scale: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[scale]"
	ROUNDS=5 STEPS=200 $(ONE_THREAD) $(BIN)/python -m pytest tests/test_processes.py tests/test_generation.py

# A night, not in CI: another rounding, faults, files, and ten thousand random graphs.
overnight: rounding faults fuzz
	GRAPHS=10000 $(ONE_THREAD) $(BIN)/python -m pytest tests/test_random_graphs.py

# The site goes into out/site; a warning is an error, in a page of the gallery, too. What has not changed is not run again.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(ONE_THREAD) $(BIN)/mkdocs build

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy

check: lint types test

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# An hour, not in CI: which share of small changes of mechanisms/ and guidance/ do the tests notice?
mutants: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[mutants]"
	$(BIN)/python tests/mutants.py

clean:
	rm -rf .venv demo out build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml | $(BIN)/python
	@echo "Installing into .venv; torch is large, this takes a few minutes the first time."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON); do \
	    if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making .venv with $$($$python --version)."; \
	        exec $$python -m venv .venv; \
	    fi; \
	done; \
	echo "causalimg needs Python 3.11 or newer with venv (on Debian and Ubuntu: apt install python3-venv)." >&2; \
	echo "Tried: $(PYTHON). Name another one: make PYTHON=/path/to/python3" >&2; \
	exit 1
