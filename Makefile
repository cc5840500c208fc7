# The front door. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MODELS ?= $(CURDIR)/models

# nextest where the machine has it: one process a test, and a summary at the end.
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo nextest)

.PHONY: help test lint model gen

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

model: ## fetch the local model and the embeddings (about 180 MB, once, check sums verified)
	scripts/fetch-models.sh $(MODELS)

test: ## everything that can be tested without an account, a key or a server of yours
ifeq ($(NEXTEST),nextest)
	cargo nextest run --workspace --locked
else
	cargo test --workspace --locked
endif
	tests/outside/run.sh test_ledger.py test_powerloss_shim.py

lint: ## format, clippy with warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

gen: ## rebuild the committed pages in crates/server/ui/dist
	cd web && npm ci && npm run build
