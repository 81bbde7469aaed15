# Two commands: `make demo` and `make test`. Both set up .venv by themselves.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
EXPERIMENT := --configfile config.yaml workflow/presets/demo.yaml
PYTEST_ARGS ?=

# Nothing of the caller's own site-packages gets in.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help demo test env-test slurm-test lint format lock schema

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## run the whole benchmark on 1 797 handwritten digits and print where the report lies
	@snakemake --cores all $(EXPERIMENT)
	@echo "$(CURDIR)/results/demo/report.html"

test: $(READY) lint ## lint and run the tests; installs a Chromium if there is none
	tests/browser/install
	python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

env-test: $(READY) ## install what each conda environment lists afresh, and run its rules' commands there
	python -m pytest tests/environments $(PYTEST_ARGS)

slurm-test: $(READY) ## start a throw-away SLURM here, run the workflow on it and tear it down; needs root and Debian
	tests/slurm/install
	python -m pytest tests/slurm $(PYTEST_ARGS)

lint: $(READY) ## check style and rules
	ruff check src tests envs examples benchmarks
	ruff format --check src tests envs examples benchmarks
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(READY) ## put the code into the form that lint asks for
	ruff check --fix src tests envs examples benchmarks
	ruff format src tests envs examples benchmarks
	snakefmt Snakefile workflow

lock: $(READY) ## write envs/ anew from pyproject.toml
	python envs/lock.py

schema: $(READY) ## write the JSON Schema and the README's config reference anew
	vitbench schema > workflow/schemas/config.schema.json
	vitbench schema --readme README.md

$(READY): envs/venv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "vitbench needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@echo "Installing exact pins into $(VENV): some minutes, once."
	@$(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet --progress-bar off -r envs/venv.txt
	@python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
