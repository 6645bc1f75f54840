# fedpact: `make demo` shows a complete run on real data, `make test` proves everything.
# Both set up all they need from the Python package index; a machine needs Python 3.11+, make and git.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv

.PHONY: demo test check lint types imports tests lock clean

demo: $(VENV)/.demo
	$(BIN)/fedpact demo

test: check tests

check: lint imports types

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

imports: $(VENV)/.dev
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev  # the fast ones first
	$(BIN)/pytest -n 2 -m "not slow"
	$(BIN)/pytest -n 2 -m "slow"

lock: $(VENV)/bin/uv  # exact versions with hashes, without index addresses
	$(UV) pip compile -q --universal --python-version 3.11 --all-extras --group dev --group build \
	  --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/dev.txt
	$(UV) pip compile -q --universal --python-version 3.11 --extra demo --group build -c requirements/dev.txt \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements/demo.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check "uv>=0.5"

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/uv
	$(UV) pip install -q --require-hashes -r requirements/demo.txt
	$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/uv
	$(UV) pip install -q --require-hashes -r requirements/dev.txt
	$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@
