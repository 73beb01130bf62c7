PYTHON ?= python3
BIN := .venv/bin
KUBECONFIG_LOCAL := .local/kubeconfig

.PHONY: help env run test unit lint golden cluster bench bench-growth bench-reconcile lock

help: ## what one can do here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: .venv/.ready ## .venv from the lock file

.venv/.ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo "python3 cannot make virtual environments: install your system's python3-venv package"; exit 1; }
	@echo "installing the packages of requirements.lock into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

run: env ## the server alone, no cluster: https://127.0.0.1:8443, data in .local/
	@exec $(BIN)/python -m apiserver --standalone

test: env ## every test; builds a control plane at the first run
	@$(BIN)/python -m tests.controlplane.binaries > /dev/null
	@$(BIN)/python -m tests.programs
	@$(BIN)/python -m pytest

unit: env ## the fast tests
	@$(BIN)/python -m pytest tests/unit

lint: env ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

golden: env ## records kube-apiserver's answers to the conformance cases again; CASES="create lists/pages" only these
	@$(BIN)/python -m tests.e2e.conformance.record $(CASES)

cluster: env ## a local control plane with the server registered; Ctrl-C ends it
	@$(BIN)/python -m tests.controlplane run .local/cluster

bench: env ## beside kube-apiserver and sample-apiserver (bench/results.md), Kopf and controller-runtime (bench/reconcile.md)
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.reconcile

bench-growth: env ## how they grow with objects, watchers and connections: bench/growth.md (half an hour)
	@$(BIN)/python -m bench --growth --rounds=3

bench-reconcile: env ## only 1,000 Websites at once, beside Kopf and controller-runtime: bench/reconcile.md
	@$(BIN)/python -m bench.reconcile

lock: env ## the lock files from pyproject.toml
	@$(BIN)/pip install --quiet uv && $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header -c requirements.lock pyproject.toml -o requirements-runtime.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header bench/reconcile/kopf/requirements.in -o bench/reconcile/kopf/requirements.lock
