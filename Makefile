# Every target sets up .venv by itself, once, and again when pyproject.toml changes. Only Python 3.10 or newer is needed.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

.PHONY: help demo test lint bench venv clean

help:
	@echo "make demo    see it work: a conversation with a stand-in LLM API through the masker"
	@echo "make test    run all tests (with npm at hand, also against a real Claude Code)"
	@echo "make lint    ruff and mypy"
	@echo "make bench   measure speed and memory"
	@echo "make venv    only set up .venv"

demo: $(STAMP)
	@$(BIN)/aws-masker demo

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

bench: $(STAMP)
	$(BIN)/python -m bench

venv: $(STAMP)

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or newer is needed; name it with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is needed; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
