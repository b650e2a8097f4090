# Everything runs inside .venv, which is made from a hash-locked list, so that two machines test the same bytes.
# `make demo` and `make test` need nothing but Python 3.11 or later (with venv) and make.

PYTHON ?= python3
UV_VERSION ?= 0.13.8

VENV := .venv
BIN := $(VENV)/bin
# Twice quiet: errors only.
PIP_FLAGS := --quiet --quiet --disable-pip-version-check --no-input
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
LOCKER := build/locker
SERVERS := tests/e2e/node_modules
CLIENTS_DIRS := tests/e2e/clients tests/e2e/clients/more

# What every verdict rests on: bytes in, bytes out. No line and no branch of it goes untested.
CORE := aibridge/sse.py,aibridge/loop.py,aibridge/dialects/*

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(INSTALLED) ## Show the main job with no key and no network
	@$(BIN)/aibridge demo

.PHONY: test
test: $(INSTALLED) ## Run the tests and hold the coverage
	@rm -f .coverage .coverage.*
	@$(BIN)/pytest --ignore=tests/e2e --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report --include='$(CORE)' --skip-covered --fail-under=100
	@$(BIN)/coverage report --skip-covered --fail-under=90

.PHONY: check
check: $(INSTALLED) ## Lint, check types, imports, the Dockerfile and the docs (a site in build/site)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(wildcard aibridge tests benchmarks)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/hadolint Dockerfile
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@$(BIN)/pytest tests/docs

.PHONY: bench
bench: $(INSTALLED) ## Measure the gateway beside a bare relay
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: fuzz
fuzz: $(INSTALLED) ## Feed every parser odd bytes (RUNS=100000 in all; TARGETS='sse messages')
	@$(BIN)/python -m tests.fuzz $(or $(RUNS),100000) $(TARGETS)

.PHONY: e2e
e2e: $(INSTALLED) $(SERVERS)/.package-lock.json ## Test with real servers and clients (needs node; CLIENTS=all for all)
	@PYTHON=$(PYTHON) tests/e2e/clients/install $(if $(filter all,$(CLIENTS)),. more,.)
	@$(BIN)/pytest tests/e2e $(ARGS)

.PHONY: chaos
chaos: $(INSTALLED) ## Kill it, starve it, stop it (half an hour; SHORT=1: five minutes)
	@$(BIN)/python -m tests.chaos $(if $(SHORT),--short) $(ARGS)

.PHONY: soak
soak: $(INSTALLED) ## Hold 100 streams open for MINUTES=30 and look what grows
	@$(BIN)/python -m tests.chaos soak --minutes $(or $(MINUTES),30) --output build/soak.json $(ARGS)

.PHONY: lock
lock: $(LOCKER)/bin/uv ## Write requirements/*.txt anew (UPGRADE=1: with the newest versions)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev --output-file requirements/dev.txt
	@$(COMPILE) pyproject.toml --constraints requirements/dev.txt --output-file requirements/runtime.txt
	@$(COMPILE) --group pyproject.toml:build --constraints requirements/dev.txt --output-file requirements/build.txt
	@$(foreach dir,$(CLIENTS_DIRS),$(COMPILE) $(if $(UPGRADE),--upgrade) $(dir)/requirements.in --output-file $(dir)/requirements.txt &&) :
	@$(if $(shell command -v npm),$(foreach dir,$(dir $(SERVERS)) $(CLIENTS_DIRS),($(call NPM_LOCK,$(dir))) &&) :,\
		echo 'The servers and clients of tests/e2e stay as they are: npm is not here')

.PHONY: format
format: $(INSTALLED) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

.PHONY: clean
clean: ## Remove whatever these targets made
	@rm -rf $(VENV) build dist $(SERVERS) $(addsuffix /node_modules,$(CLIENTS_DIRS)) .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find aibridge tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Two stamps. The first is a copy of the list that was installed: another list makes another environment,
# and an interrupted installation has no copy and starts afresh. The second follows pyproject.toml.
$(LOCKED): requirements/dev.txt
	@cmp -s $< $@ || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
			|| { echo 'aibridge needs Python 3.11 or later: make PYTHON=python3.11 …' >&2; exit 1; }; \
		echo "Creating $(VENV) with $$($(PYTHON) --version)" \
		&& $(PYTHON) -m venv --clear $(VENV) \
		&& echo "Installing the locked packages (a minute or so)" \
		&& $(BIN)/python -m pip $(PIP_FLAGS) install --require-hashes --requirement $< \
		&& cp $< $@; }
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@echo "Installing aibridge"
	@$(BIN)/python -m pip $(PIP_FLAGS) install --no-build-isolation --no-deps --editable .
	@touch $@

# uv only resolves and writes the lists; it lives apart, so that a broken lock can still be mended.
COMPILE := $(LOCKER)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

# npm's list keeps the hashes and loses every address, those of sponsors too.
NPM_LOCK = cd $(1) && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved \
	--no-audit --no-fund --loglevel=error >/dev/null && $(PYTHON) -c "$$STRIP_ADDRESSES"
define STRIP_ADDRESSES
import json, pathlib
lock = pathlib.Path("package-lock.json")
content = json.loads(lock.read_text())
for package in content["packages"].values():
    package.pop("funding", None)
lock.write_text(json.dumps(content, indent=2) + "\n")
endef
export STRIP_ADDRESSES

$(LOCKER)/bin/uv: Makefile
	@$(PYTHON) -m venv --clear $(LOCKER)
	@$(LOCKER)/bin/python -m pip $(PIP_FLAGS) install uv==$(UV_VERSION)
	@touch $@

$(SERVERS)/.package-lock.json: tests/e2e/package-lock.json
	@echo "Installing the servers of tests/e2e"
	@npm ci --prefix tests/e2e --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
