# Two targets, each enough alone on a machine with Python 3.11 or 3.12, pip and make:
#   make run    environment, installation, and the benchmark on the embedded data, down to a table and a CSV
#   make test   environment, installation, lint, types, tests
# PYTHON=python3.12 make test   chooses the interpreter.

SHELL := /bin/sh
.DEFAULT_GOAL := help
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt Makefile 2>/dev/null | cksum | cut -d' ' -f1)
# A shim that only says "command not found" answers to `command -v`, so each candidate is really run.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1 && { echo $$p; break; }; done)
SPLIT ?= unseen
METHODS ?= egox,ego-prior,prior-inpaint
WORKERS ?= 2

.PHONY: help run test lint types tests clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,4p'

$(INSTALLED):
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or 3.12 found; name one: PYTHON=/path/to/python3.11 make $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python && $(BIN)/python -c '' 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet -c constraints.txt "setuptools<82" wheel
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --no-build-isolation \
		-c constraints.txt -e ".[dev]"
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --only-binary vbench -c constraints.txt vbench
	SAM2_BUILD_CUDA=0 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation \
		-c constraints.txt sam2
	@$(BIN)/python -m compileall -q benchmark egox methods leaderboard
	@rm -f $(VENV)/.installed-*
	@touch $@

run: $(INSTALLED)
	$(BIN)/egox-bench run --method $(METHODS) --split $(SPLIT)

test: lint types tests

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/basedpyright --level error --pythonpath $(BIN)/python

tests: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

clean:
	rm -rf $(VENV) build dist *.egg-info
