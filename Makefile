# The verbs of this project. `make help` lists them; every verb sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin

##@ Run it
.PHONY: demo demo-down
demo: ## A cluster with the 16 components running on it (CONTEXT=name uses a cluster you have)
	@$(PYTHON) -m tools.demo up $(if $(CONTEXT),--context $(CONTEXT)) $(ARGS)

demo-down: ## Remove all that `make demo` made, and only that
	@$(PYTHON) -m tools.demo down $(if $(CONTEXT),--context $(CONTEXT)) $(ARGS)

.PHONY: chat workflows
TALK = $(if $(CONTEXT),$(BIN)/python -m alluse.client $(1) --context $(CONTEXT),$(PYTHON) -m tools.cluster run --name alluse-demo $(BIN)/python -m alluse.client $(1)) -n alluse

chat: install ## Talk to the agent on the demo's cluster (ARGS='"a question"' asks once)
	@$(call TALK,chat) $(ARGS)

workflows: install ## Run onboarding, trading, risk and optimisation on it, each step with its time
	@$(call TALK,run) all $(ARGS)

##@ Work on it
.PHONY: install check test bench format generate verify lock
install: .venv/.installed ## Create .venv from the hash-locked requirements

.venv/.installed: requirements/dev.txt pyproject.toml tools/venv.sh
	@tools/venv.sh

check: install ## Format, lint, types, import layers, unit and property tests (under a minute)
	@$(BIN)/python -m tools.stages check

test: install ## Every test, on real parts that it sets up itself (ARGS="--only STAGE ..." runs some)
	@$(BIN)/python -m tools.stages test $(ARGS)

bench: install ## Measure start, gap, recovery, memory; ratios go to build/bench/
	@PYTHONPATH=tests:. $(BIN)/python -m performance $(ARGS)

format: install ## Write the format and the fixes that are safe
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

generate: install ## Write the CRD, the chart's copy, the manifests and the reference pages from the types
	@$(BIN)/python -m tools.generate

verify: install ## Fail if a generated file is stale
	@$(BIN)/python -m tools.generate --check

lock: install ## Resolve the requirements anew and lock them by hash
	@tools/lock.sh

##@ Parts
.PHONY: cluster-up cluster-down images
cluster-up: ## The cluster that the end-to-end tests use
	@$(PYTHON) -m tools.testenv up

cluster-down: ## Remove the test cluster
	@$(PYTHON) -m tools.testenv down

images: ## Build the operator's and the components' image
	@$(PYTHON) -m tools.images

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
