# Two commands matter: `make demo` shows what Seatrial does, `make test` proves it.
# Both do all set-up by themselves; what they need is Python >= 3.11 with pip, and make.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_SYSTEM_CERTS := 1
export UV_NO_PROGRESS := 1
export UV_PYTHON_DOWNLOADS := never
# Many images switch compiled files off; every process would then compile anew what it imports, and
# each test worker 480 files of tests (20 s instead of 11 s before its first test).
unexport PYTHONDONTWRITEBYTECODE

UV := .tools/bin/uv
READY := .venv/.ready

.PHONY: help setup demo demo-end test coverage test-peers soak check check-types check-rest format bench bench-stats docs reference lock clean

help: ## Show these lines
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv from the hashed lock (every target below does it by itself)

# pip brings uv into a folder of the project's own, uv does the rest: no venv module, no system package.
$(UV): requirements/tools.txt
	@echo "set-up: fetching uv (once)"
	@rm -rf .tools && $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
		--root-user-action=ignore --require-hashes --no-deps --target .tools -r requirements/tools.txt
	@touch $@

$(READY): $(UV) requirements/dev.txt pyproject.toml
	@echo "set-up: installing from requirements/dev.txt"
	@test -x .venv/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Show the main job, from nothing, on this machine
	@python -m dev.demo $(ARGS)

demo-end: $(READY) ## End the system that the demo left running
	@python -m dev.demo --end

# Tests wait for processes and disks half of their time, so there are more workers than cores. A file
# stays with one worker, else each worker makes its fixtures anew: the planted faults of tests/house
# were tried three times, 15 s each. tests/conftest.py orders the files.
SPREAD = -n $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )) --dist loadfile --no-loadscope-reorder

test: check ## Prove every promise: the checks, then the whole suite (or ARGS alone)
	@pytest -q $(SPREAD) $(ARGS)

# Apart from `test`: measuring adds two thirds to what a test spends in its own process.
coverage: $(READY) ## Run the whole suite, and fail if it reaches less than 90 % of lines and branches
	@pytest -q $(SPREAD) --cov --cov-report=
	@coverage report --fail-under=90 | tail -n 25

test-peers: $(READY) ## Also test against large peers: a real Unleash server (400 MB from npm), five agent frameworks
	@SEATRIAL_PEERS=1 pytest -q -p no:xdist tests/sdk/flags/test_unleash_server.py \
		tests/examples/test_frameworks.py

soak: $(READY) ## Run the long loops in full and write their figures to docs/reference/soak.md
	@python dev/soak.py

check: $(READY) ## Format, lint, types, contracts, generated pages
	@$(MAKE) -j 2 check-types check-rest # types alone take 20 s the first time, the rest 8 s

check-types:
	@mypy

check-rest:
	@ruff format --quiet --check . || { echo "remedy: make format"; exit 1; }
	@ruff check --quiet .
	@lint-imports --no-logo
	@python -m dev.lint src
	@python -m dev.reference --check

format: $(READY) ## Put the code in its one form
	@ruff format --quiet . && ruff check --quiet --fix .

bench: $(READY) ## Measure, as ratios in one run; results go to bench/results
	@python -m bench $(ARGS)

bench-stats: $(READY) ## Prove the statistics by simulation, anew; results go to docs/reference/simulations.md
	@python -m bench.simulate

reference: $(READY) ## Write the generated pages anew: settings, errors, commands, map, picture
	@python -m dev.reference

docs: $(READY) reference ## Build the documentation site into site/
	@zensical build --clean --strict

lock: $(UV) ## Resolve the dependencies anew, a week behind the index, with hashes
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 --upgrade -o requirements/tools.txt requirements/tools.in
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --upgrade -o requirements/runtime.txt pyproject.toml
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --upgrade --constraint requirements/runtime.txt --group dev --all-extras \
		-o requirements/dev.txt pyproject.toml

clean: ## Remove everything that set-up, tests and docs made
	@rm -rf .venv .tools .cache .demo .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache site .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
