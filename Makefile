# The commands of this project; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
NODE_INSTALLED := node_modules/.installed

.PHONY: help demo serve test lint mutants bench deploy metadata clean
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(INSTALLED)  ## two families and a school: documents in, cited answers out, nothing left running
	@$(RUN) -m local.demo

serve: $(INSTALLED)  ## the local server on PORT (8000), with curl lines to copy
	@$(RUN) -m local.serve

test: lint $(NODE_INSTALLED)  ## every check and every test
	$(RUN) -m deploy.metadata --check
	$(RUN) -m deploy.locks --check
	$(RUN) -m pytest --cov --cov-report=term:skip-covered

lint: $(INSTALLED)  ## style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

mutants: $(INSTALLED)  ## break each guard, one at a time: a test must fail
	$(RUN) -m tests.mutants

bench: $(INSTALLED)  ## benchmarks, side by side, as ratios
	$(RUN) -m tests.benchmarks

deploy: $(INSTALLED) $(NODE_INSTALLED)  ## to a Windmill server; ARGS=--dry-run changes nothing
	$(RUN) -m deploy.push $(ARGS)

metadata: $(INSTALLED) $(NODE_INSTALLED)  ## write .script.yaml and .script.lock from the scripts
	$(RUN) -m deploy.metadata
	$(RUN) -m deploy.locks

clean:  ## remove what the other commands made
	rm -rf $(VENV) node_modules .build .local .mypy_cache .ruff_cache .pytest_cache

$(INSTALLED): requirements.txt constraints.txt
	@test -x $(RUN) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "installing requirements.txt into $(VENV) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

$(NODE_INSTALLED): package.json package-lock.json
	@command -v npm >/dev/null || { echo "Node.js 20 is needed for the tests and the deployment." >&2; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
