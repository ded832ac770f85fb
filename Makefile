# Every chore of this project by name, the same here and in CI. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-pythons check lint types coverage bench docs format clean

VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough and can build environments; say PYTHON=… to choose another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# More words for pytest: make test PYTEST_ARGS="-k chain -x"
PYTEST_ARGS ?=

INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# Touched when the whole suite has passed; `.coverage` beside it holds what that suite ran.
TESTED := $(VENV)/.tested
TEST_INPUTS := pyproject.toml $(shell find src tests examples benchmarks docs npm -type f \
	-not -path '*/__pycache__/*' -not -path '*/node_modules/*' -not -path '*/.moose/*' -not -path '*/.*' 2>/dev/null)

help: ## list the chores
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## run both example workflows on the embedded engine
	$(BIN)/python examples/demo.py

test: $(INSTALLED_DEV) ## run all tests, writing down what they cover
	@$(RUN_TESTS)

test-pythons: $(INSTALLED_DEV) ## run unit tests and scenarios on every other supported Python of this machine
	@.ci/pythons $(BIN)/python

check: lint types coverage ## every quality gate: lint, layers, types, coverage (runs the tests if they are not up to date)

lint: $(INSTALLED_DEV) ## ruff and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(INSTALLED_DEV) ## mypy and pyright, both strict, on src and tests
	$(BIN)/mypy src tests
	$(BIN)/basedpyright

coverage: $(TESTED) ## hold the coverage of src to its limit
	@$(BIN)/coverage report

format: $(INSTALLED_DEV) ## format the code and repair what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) ## measure against the same graphs written by hand with the Temporal SDK, and ingest against bare peers
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.ingest

docs: $(INSTALLED) ## write the command reference from the code
	$(BIN)/python docs/generate_cli.py

clean: ## remove environments, caches and build products
	rm -rf $(VENV) .venv-* build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests examples benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- what the chores stand on ----

# The data of a run with PYTEST_ARGS is that of a part, so it does not count as tested. Tests wait for other processes
# a third of their time, so three at once are what two cores can do.
define RUN_TESTS
rm -f $(TESTED) .coverage .coverage.*; \
started=$$(mktemp); \
$(BIN)/python -m pytest -n 3 --dist loadfile --cov --cov-report= --cov-fail-under=0 $(PYTEST_ARGS); status=$$?; \
$(if $(strip $(PYTEST_ARGS)),,[ $$status -ne 0 ] || touch -r "$$started" $(TESTED);) \
rm -f "$$started"; exit $$status
endef

$(TESTED): $(INSTALLED_DEV) $(TEST_INPUTS)
	@$(RUN_TESTS)

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "error: no Python 3.11 or newer (with venv) on PATH" >&2; \
		echo "hint: install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[examples]'
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[examples]' --group dev
	@touch $@ $(INSTALLED)
