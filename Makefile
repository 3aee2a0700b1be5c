# Every target does its own set-up. `make demo` needs Python 3.11 or newer with venv, and make; nothing else.
#   make demo DEMO_ARGS="--speed 120"    make test TEST_ARGS="tests/core -x"

VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
PEERS_VENV := .venv-peers
PEERS := $(PEERS_VENV)/.installed
NPM_PEERS := .peers-npm
SHELL_SCRIPTS := .ci/run $(wildcard scripts/*.sh requirements/*.sh)
SOAK_RUNS ?= 20
MUTANTS_VENV := .venv-mutants
MUTANTS := $(MUTANTS_VENV)/.installed
MUTATED ?= nebctl/core/guard.py nebctl/core/verify.py
MUTANT_TESTS ?= tests/core/test_guard.py tests/core/test_verify.py
MUTANT_NAMES ?= *
MUTANT_JOBS ?= 1

.PHONY: demo test peers lint requirements mutants lock soak clean help
.NOTPARALLEL:
.DEFAULT_GOAL := help

help:  ## Say what each target does
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 22

demo: $(DEMO)  ## Give a whole course against simulated devices (flags: DEMO_ARGS)
	@$(BIN)/nebctl demo $(DEMO_ARGS)

# Without flags of your own: on every core, each file of tests in one piece.
test: TEST_ARGS ?= -n auto --dist loadfile
test: $(DEV)  ## Run every test (flags: TEST_ARGS)
	@$(BIN)/python -m pytest $(TEST_ARGS)

peers: $(PEERS) $(NPM_PEERS)/.installed  ## Install the programs of others that tests/peers talk to; make test then runs those tests too

lint: $(DEV)  ## Check style, types, import directions and shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v shellcheck >/dev/null; then echo shellcheck $(SHELL_SCRIPTS); shellcheck $(SHELL_SCRIPTS); \
	else echo "shellcheck: not installed, shell scripts not checked (apt install shellcheck)"; fi

requirements: $(DEV)  ## Print the promises of docs/safety.md against their tests, and write docs/requirements.md
	@$(BIN)/python scripts/requirements.py

mutants: $(MUTANTS)  ## Break MUTATED line by line and run MUTANT_TESTS on each; print what nobody noticed
	@scripts/mutants.sh $(MUTANTS_VENV) $(VENV) "$(MUTATED)" "$(MUTANT_TESTS)" "$(MUTANT_NAMES)" "$(MUTANT_JOBS)"

lock:  ## Write the four hashed locks anew (needs uv)
	requirements/lock.sh

soak: $(DEV)  ## Run the long forms, then give SOAK_RUNS courses, each with another seed; stop at the first fault
	@$(BIN)/python -m pytest -m soak --soak $(SOAK_RUNS) $(TEST_ARGS)
	@data=$$(mktemp -d) && trap 'rm -rf "$$data"' EXIT && for seed in $$(seq $(SOAK_RUNS)); do \
	echo "soak: seed $$seed of $(SOAK_RUNS)"; \
	$(BIN)/nebctl demo --data "$$data/$$seed" --seed "$$seed" $(DEMO_ARGS) || exit 1; done

clean:  ## Remove the environment, caches and built files (demo data stays)
	rm -rf $(VENV) $(PEERS_VENV) $(MUTANTS_VENV) $(NPM_PEERS) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: an install runs again only when a lock, the project file or the script itself changed.
$(DEMO): requirements/demo.txt pyproject.toml scripts/install.sh
	@scripts/install.sh $(VENV) requirements/demo.txt
	@touch $@

# The development lock holds all of the demo's, version for version.
$(DEV): requirements/dev.txt pyproject.toml scripts/install.sh
	@scripts/install.sh $(VENV) requirements/dev.txt
	@touch $(DEMO) $@

# Peers live apart, because of their licences and their many dependencies; nebctl itself is not installed there.
$(PEERS): requirements/peers.txt $(DEV)
	@echo "set-up: installing requirements/peers.txt into $(PEERS_VENV), every file checked against its hash"
	@$(BIN)/python -m venv --clear $(PEERS_VENV)
	@$(PEERS_VENV)/bin/python -m pip install -q --no-deps --disable-pip-version-check --no-input --require-hashes -r requirements/peers.txt
	@touch $@

# mutmut finds everything else in the development environment; see scripts/mutants.sh.
$(MUTANTS): requirements/mutants.txt $(DEV)
	@echo "set-up: installing requirements/mutants.txt into $(MUTANTS_VENV), every file checked against its hash"
	@$(BIN)/python -m venv --clear $(MUTANTS_VENV)
	@$(MUTANTS_VENV)/bin/python -m pip install -q --no-deps --disable-pip-version-check --no-input --require-hashes -r requirements/mutants.txt
	@touch $@

$(NPM_PEERS)/.installed: requirements/peers-npm.list scripts/install-npm-peers.sh
	@echo "set-up: fetching requirements/peers-npm.list into $(NPM_PEERS), every file checked against its hash"
	@scripts/install-npm-peers.sh $(NPM_PEERS) requirements/peers-npm.list
	@touch $@
