# `make help` lists the targets. Only python3.11, make and, the first time, a network are needed.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3.11
BIN := .venv/bin
SOURCES := $(wildcard src jobs data_samples benchmarks)
CODE := $(SOURCES) $(wildcard tests)

# Stamps, so that every target sets up what it needs by itself, and otherwise starts at once.
INSTALLED := .make/installed
READY := .make/ready

##@ Set up
.PHONY: help setup
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv, install the pinned packages, find or install Java, fetch the Delta jars

$(INSTALLED): pyproject.toml constraints.txt
	@mkdir -p $(@D)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(READY): $(INSTALLED) $(addprefix src/identity/,bootstrap.py java.py session.py)
	$(BIN)/python -m identity.bootstrap
	@touch $@

##@ Use
.PHONY: run bench bench-accuracy clean
run: $(READY) ## resolve both delivery days of the sample world and score the result against its truth
	$(BIN)/identity run --conf conf/local.yaml --run-date 2026-01-31 --run-date 2026-02-01 \
		--truth data_samples/world/truth

bench: $(READY) ## time and score what benchmarks/ measures
	$(BIN)/python -m benchmarks

bench-accuracy: $(INSTALLED) ## score `identity link` on the labelled sets in IDENTITY_BENCHMARK_DATA, against plain Splink
	$(BIN)/python -m benchmarks.accuracy

clean: ## remove what runs and tools left behind; the environment stays
	rm -rf warehouse spark-warehouse metastore_db derby.log .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Check
.PHONY: test test-long mutants lint format check
test: $(READY) ## the tests a developer runs all the time
	$(BIN)/pytest

# pytest exits with 5 when no test is marked long.
test-long: $(READY) ## the tests that take minutes
	$(BIN)/pytest -m long || test $$? -eq 5

mutants: $(READY) ## break each rule of consent on purpose, and see that a test notices (half an hour)
	$(BIN)/python -m tests.mutants

lint: $(INSTALLED) ## formatting, lint rules and strict types, changing nothing
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(SOURCES)

format: $(INSTALLED) ## format the code and mend what the linter can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

# CI has run the tests before it runs the check, and says so with TESTED=1.
check: lint $(if $(TESTED),,test) ## lint, then test: what must pass before a commit
