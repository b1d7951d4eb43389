# The commands of this project; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
NODE_INSTALLED := node_modules/.installed
MEASURE := .venv-measure
PEERS := .venv-peers
DATA ?= ../shared/evaluation
export DATA

.PHONY: help demo serve test lint mutants evaluate bench deploy metadata clean
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
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

lint: $(INSTALLED)  ## style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

mutants: $(INSTALLED)  ## break each guard, one at a time: a test must fail
	$(RUN) -m tests.mutants

evaluate: $(MEASURE)/installed  ## how good search and answers are, on DATA; ARGS=--help tells what can be chosen
	$(MEASURE)/bin/python -m evaluation --data $(DATA) $(ARGS)

bench: $(MEASURE)/installed $(PEERS)/installed  ## benchmarks, side by side, as ratios; ARGS names some of them
	$(MEASURE)/bin/python -m tests.benchmarks $(ARGS)

deploy: $(INSTALLED) $(NODE_INSTALLED)  ## to a Windmill server; ARGS=--dry-run changes nothing
	$(RUN) -m deploy.push $(ARGS)

metadata: $(INSTALLED) $(NODE_INSTALLED)  ## write .script.yaml and .script.lock from the scripts
	$(RUN) -m deploy.metadata
	$(RUN) -m deploy.locks

clean:  ## remove what the other commands made
	rm -rf $(VENV) $(MEASURE) $(PEERS) node_modules .build .local .mypy_cache .ruff_cache .pytest_cache

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

# uv fills these two: an environment with all that is compared takes pip a minute, and its resolver several. Files are
# copied: nltk, which LlamaIndex reads its stop words with, refuses those that are linked from uv's cache.
$(MEASURE)/installed: $(INSTALLED) evaluation/requirements.txt evaluation/constraints.txt
	@echo "installing evaluation/requirements.txt into $(MEASURE) ..."
	@$(VENV)/bin/uv venv --quiet --allow-existing --python $(RUN) $(MEASURE)
	@$(VENV)/bin/uv pip install --quiet --link-mode copy --python $(MEASURE)/bin/python -r requirements.txt -r evaluation/requirements.txt \
	  -c evaluation/constraints.txt
	@touch $@

$(PEERS)/installed: $(INSTALLED) tests/benchmarks/peers/requirements.txt tests/benchmarks/peers/constraints.txt
	@echo "installing tests/benchmarks/peers/requirements.txt into $(PEERS) ..."
	@$(VENV)/bin/uv venv --quiet --allow-existing --python $(RUN) $(PEERS)
	@$(VENV)/bin/uv pip install --quiet --link-mode copy --python $(PEERS)/bin/python -r tests/benchmarks/peers/requirements.txt \
	  -c tests/benchmarks/peers/constraints.txt
	@touch $@
