# Every command. `make` alone lists them. Only Python 3.11 to 3.13 with its venv module is needed, and a package index.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Tests wait for servers about half of their time: two workers for each of two cores.
JOBS ?= 4
DETACH ?=
BROKER ?=
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help
help: ## list every target
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

# --- install -------------------------------------------------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "$$($(PYTHON) -V) cannot run this; make up PYTHON=python3.11 (or 3.12, 3.13)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "the venv module is needed: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	@echo "installing what tests need into $(VENV)"
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements-test.lock
	@touch $@

# What our services are measured beside wants another pydantic, so it has an environment of its own.
BENCH := build/bench-venv
$(BENCH)/.installed: requirements-bench.lock | $(BIN)/python
	@echo "installing what is measured beside us into $(BENCH)"
	@$(BIN)/python -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --only-binary :all: -r requirements-bench.lock
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## make .venv from the lock, with .venv/bin/leadflow

# --- run -----------------------------------------------------------------------------------------------------------

.PHONY: up down reset status demo doctor
up: $(VENV)/.installed ## start everything here and stay until Ctrl-C; DETACH=1 returns, BROKER=apache
	@exec $(BIN)/leadflow up $(if $(DETACH),--detach) $(if $(BROKER),--broker $(BROKER))

down: ## stop everything that `up` has started
	@if [ -x $(BIN)/leadflow ]; then exec $(BIN)/leadflow down; else echo "Nothing was running"; fi

reset: ## stop everything and forget the data
	@if [ -x $(BIN)/leadflow ]; then exec $(BIN)/leadflow reset; else rm -rf .leadflow; fi

status: $(VENV)/.installed ## show what runs
	@exec $(BIN)/leadflow status

demo: $(VENV)/.installed ## start everything, then live through six months of sales in a minute
	@$(BIN)/leadflow up --detach $(if $(BROKER),--broker $(BROKER))
	@exec $(BIN)/leadflow demo

doctor: $(VENV)/.installed ## look for what is wrong
	@exec $(BIN)/leadflow doctor

# --- verify --------------------------------------------------------------------------------------------------------

.PHONY: check test proof proof-faults fuzz faults faults-long bench profile lint types imports format docs
check: lint types imports ## lint, types and import contracts

test: $(VENV)/.installed-test ## every test, in parallel (JOBS=4)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

proof: $(VENV)/.installed-test ## every number and forecast against a naive computation, in random worlds; EXAMPLES=20
	@LEADFLOW_PROOF_EXAMPLES=$(or $(EXAMPLES),20) $(BIN)/python -m pytest tests/integration/metrics/test_proof.py tests/integration/metrics/test_forecasts_proof.py -p no:xdist -q $(ARGS)

proof-faults: $(VENV)/.installed-test ## whether the proof notices: faults put into the service one at a time, 20 minutes; ONLY=words
	@LEADFLOW_PROOF_FAULTS=1 LEADFLOW_PROOF_ONLY="$(ONLY)" $(BIN)/python -m pytest tests/integration/metrics/test_proof_power.py -p no:xdist -q $(ARGS)

fuzz: $(VENV)/.installed-test ## send capture more than 10,000 inputs that nobody should send, 5 minutes
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),700) $(BIN)/python -m pytest tests/fuzz -p no:xdist -q --timeout 900 $(ARGS)

faults: $(VENV)/.installed-test ## break things under load and compare with a ledger, 5 minutes; SEED=n replays, ONLY=name
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(REPORT),--report $(REPORT))

faults-long: $(VENV)/.installed-test ## break everything again and again; MINUTES=60, SEED=n, REPORT=folder
	@$(BIN)/python -m tests.faults --profile long --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT))

bench: $(VENV)/.installed-test $(BENCH)/.installed ## measure how fast it is, about an hour; RESUME=1 goes on, WRITE=1 into the page; or a look: ONLY=part,part QUICK=1
	@$(BIN)/python -m tests.load $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(RESUME),--resume) $(if $(WRITE),--write docs/performance.md)

profile: $(VENV)/.installed-test $(BENCH)/.installed ## where a lead's microseconds go, by sampling; RATE=1000 leads/s, WRITE=1 into the page
	@$(BIN)/python -m tests.load --profile $(or $(RATE),1000) $(if $(WRITE),--write docs/performance.md)

.PHONY: evaluate
evaluate: $(VENV)/.installed-test ## judge the learner on real leads, no part of this repository and looked for in ../shared/data, 15 minutes; SEEDS=5, ONLY=set,set
	@$(BIN)/python -m tests.evaluation --seeds $(or $(SEEDS),5) $(if $(ONLY),--only $(ONLY))

lint: $(VENV)/.installed-test ## ruff, and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.installed-test ## the strict type checker
	@$(BIN)/mypy

imports: $(VENV)/.installed-test ## the contracts on who may import whom
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-test ## format and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: $(VENV)/.installed-test ## write the generated documents anew
	@$(BIN)/python -m tests.contract.events_document

# --- maintain ------------------------------------------------------------------------------------------------------

.PHONY: lock clean compose-up compose-down
lock: $(VENV)/.installed ## pin the newest allowed versions, with hashes
	@$(PIP) install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade $(LOCK) $(LOCKED) pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade $(LOCK) $(LOCKED) --extra test --constraint requirements.lock pyproject.toml -o requirements-test.lock
	@$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --extra build --extra bench pyproject.toml -o requirements-bench.lock
LOCKED := --extra build --extra embedded
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean: down ## stop everything, delete .venv and caches; data stays
	@rm -rf $(VENV) $(BENCH) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

compose-up: ## start everything in containers; needs .env, see .env.example
	@$(COMPOSE) up --detach --build
	@$(COMPOSE) ps

compose-down: ## stop the containers; their volumes stay
	@$(COMPOSE) down
