# Start with `make demo` or `make test`. Every target creates .venv if it does not exist.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
EXPERIMENT := --configfile config.yaml workflow/presets/demo.yaml
PYTEST_ARGS ?=
FAST_TESTS ?= tests/unit tests/browser
NEWEST_PYTHON ?= python3.12
BACKEND_TESTS := $(addprefix tests/integration/test_,execution_audit.py augmentation_parity.py model_parity.py \
  native_model.py training_parity.py cores.py lean_import.py time_breakdown.py cuda_graph.py) tests/gpu
IN_PARALLEL := -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Packages in the caller's own site-packages must not shadow the pinned ones.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help demo test test-fast newest-test env-test conda-test slurm-test lint format lock schema

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## run the whole benchmark on 1,797 handwritten digits and print the path of the report
	@snakemake --cores all $(EXPERIMENT)
	@echo "$(CURDIR)/results/demo/report.html"

test: $(READY) lint ## lint and run all tests on this machine; installs Chromium if there is none
	tests/browser/install
	python -m pytest $(IN_PARALLEL) $(PYTEST_ARGS)

test-fast: $(READY) ## run the tests that train nothing: the unit tests and those of the report in a browser
	tests/browser/install
	python -m pytest $(FAST_TESTS) $(IN_PARALLEL) $(PYTEST_ARGS)

newest-test: ## run the tests of the backends with newer versions, those of envs/newest.txt, on Python 3.12
	$(NEWEST_PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --progress-bar off -r envs/newest.txt
	PYTHONPATH=src .venv-newest/bin/python -m pytest $(BACKEND_TESTS) $(PYTEST_ARGS)

env-test: $(READY) ## install every conda environment from scratch and run its rules' commands in it
	python -m pytest tests/environments $(PYTEST_ARGS)

conda-test: $(READY) ## install conda in a temporary folder and run the workflow with --use-conda
	python -m pytest tests/conda $(PYTEST_ARGS)

slurm-test: $(READY) ## start a temporary SLURM cluster, run the workflow on it, remove it; needs root and Debian
	tests/slurm/install
	python -m pytest tests/slurm $(PYTEST_ARGS)

lint: $(READY) ## check formatting, style, import layers, types and rules
	ruff check src tests envs examples benchmarks
	ruff format --check src tests envs examples benchmarks
	lint-imports
	pyright
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(READY) ## format the code and fix what ruff can fix
	ruff check --fix src tests envs examples benchmarks
	ruff format src tests envs examples benchmarks
	snakefmt Snakefile workflow

lock: $(READY) ## write the pinned environments in envs/ from pyproject.toml
	python envs/lock.py

schema: $(READY) ## write the JSON Schema of the config, docs/config.md and docs/columns.md from the code
	vitbench schema > workflow/schemas/config.schema.json
	vitbench schema --docs docs

$(READY): envs/venv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "vitbench needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@echo "Installing the pinned packages into $(VENV); this takes a few minutes, once."
	@$(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet --progress-bar off -r envs/venv.txt
	@python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
