# Two commands are all a newcomer needs: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Pools that spin while they wait would burn the cores of the test beside them.
export OMP_WAIT_POLICY ?= PASSIVE
# Tests start hundreds of processes: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE
UV := $(BIN)/python -m uv
QUICK := "not slow and not faults and not network and not browser and not adapters and not cluster"

.PHONY: help demo test test-all coverage lint format setup reference docs peers wheel gallery clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with everything pinned in constraints.txt

# uv installs in seconds; where it cannot be had, pip does the same slowly. Bytecode comes at first
# use: compiling all that is installed takes most of a minute, and little of it is ever imported.
$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"annharness needs Python 3.11 or newer, this is {v.major}.{v.minor}; try: rm -rf .venv && make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "installing into $(VENV) (pinned by constraints.txt) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv 2>/dev/null || true
	@if $(UV) --version >/dev/null 2>&1; then \
	    $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'; \
	else \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $@

demo: $(STAMP) ## run the demo suite on the bundled GloVe sample and plot it
	@$(BIN)/annharness run demo
	@$(BIN)/annharness plot demo

test: $(STAMP) ## the tests, under five minutes on two cores
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m $(QUICK)

test-all: $(STAMP) ## everything `make test` leaves out: slow, faults, network, browser, adapters, cluster
	$(BIN)/python -m pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder -m "slow or faults or network or browser or adapters or cluster"

coverage: $(STAMP) ## the lines that `make test` runs, in processes that it starts, too
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest --quiet --numprocesses 2 --dist worksteal -m $(QUICK)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

peers: $(STAMP) ## add the libraries of the optional adapters, which the tests marked `adapters` need
	@$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,peers]' || \
	    $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,peers]'

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff rewrite the tree
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(STAMP) ## write the generated parts of docs/ from the code
	$(BIN)/python docs/make_reference.py

docs: reference ## build the documentation site into build/docs; PACKAGES=folder publishes other results in it
	@$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,docs]' || \
	    $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	ANNHARNESS_PACKAGES=$(abspath $(PACKAGES)) $(BIN)/python -m sphinx -W --keep-going -q docs build/docs
	@echo "build/docs/index.html"

gallery: $(STAMP) ## draw docs/results/gallery from the demo's results
	@$(BIN)/annharness run demo
	$(BIN)/python docs/make_gallery.py

wheel: $(STAMP) ## build the wheel into dist/
	@rm -rf build
	@$(UV) build --quiet --wheel --out-dir dist . || $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove what was built here (results/ is kept)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
