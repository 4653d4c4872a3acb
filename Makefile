# The commands of people and of CI are the same. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: bundle portable-bundle dist help demo down check lint format types floors test test-long test-cluster test-peers bench lock venv host

BIN := .venv/bin

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

demo: ## set up this machine, start a cluster, deploy the guestbook, print its address
	@scripts/demo

down: ## stop the cluster's components; state and containers stay
	@$(BIN)/steersman down

check: lint format types floors ## all static checks: ruff, mypy, import-linter

lint: venv ## ruff's findings
	@$(BIN)/ruff check .

format: venv ## is everything formatted as ruff would? (`.venv/bin/ruff format` does it)
	@$(BIN)/ruff format --check .

types: venv ## mypy, strict
	@$(BIN)/mypy

floors: venv ## which part may import which: import-linter
	@$(BIN)/lint-imports

test: ## all tests, with real Docker, iptables and clusters (root)
	@scripts/setup-host --tests
	@scripts/setup-venv
	@scripts/test-images
	@examples/guestbook/images.sh
	@scripts/test-clients
	@scripts/test

test-long: ## the tests that take minutes
	@scripts/setup-host --long
	@scripts/setup-venv
	@scripts/test-images
	@examples/guestbook/images.sh
	@scripts/test-clients
	@scripts/test -m long

test-cluster: ## the playbooks on hosts booted with systemd-nspawn: half an hour
	@scripts/setup-host --tests
	@scripts/setup-venv
	@scripts/test-images
	@examples/guestbook/images.sh
	@scripts/test-hosts
	@scripts/test tests/cluster -m hosts

test-peers: ## build Kubernetes' own parts (minutes at first), and run ours beside them
	@scripts/setup-host --tests
	@scripts/setup-venv
	@scripts/test-images
	@scripts/peers
	@scripts/test -m peer

bench: ## measure
	@scripts/setup-host --bench
	@scripts/setup-venv
	@scripts/bench

bundle: venv ## make dist/steersman-bundle-*.tar.gz, for hosts that reach no registry
	@scripts/bundle

portable-bundle: venv ## the same with a CPython of its own, for hosts that have none of 3.11 (glibc 2.17: CentOS 7)
	@scripts/bundle --with-python

dist: venv ## make a wheel and a source archive in dist/
	@$(BIN)/python -m build --outdir dist .

PIP_COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

lock: venv ## write requirements.lock anew from pyproject.toml, and ansible/requirements.txt from requirements.in
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(PIP_COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	@$(PIP_COMPILE) --output-file ansible/requirements.txt ansible/requirements.in

host: ## install what this machine lacks and see that Docker answers
	@scripts/setup-host

venv:
	@scripts/setup-venv
