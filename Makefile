# The front door. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# What `make serve` serves, and where: make serve LISTEN=0.0.0.0:8080 DATA=/srv/headwater ARGS=--compat
LISTEN ?= 127.0.0.1:8000
DATA   ?= $(CURDIR)/data
MODELS ?= $(CURDIR)/models

# How long `make fuzz` is at each format.
SECONDS ?= 60

# nextest where the machine has it: one process a test, and a summary at the end.
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo nextest)
.PHONY: help serve model build test test-rust test-pages test-outside lint gen bench fuzz

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: ## build and run the server, with a real local model; ends with its address
	@echo "1/3 the model: about 190 MB, once; without network the server runs without it"
	@scripts/fetch-models.sh $(MODELS) || echo "the model could not be fetched; the server will answer with fixed text and say so"
	@echo "2/3 the program: the first build takes some minutes on two cores"
	@cargo build --release --locked -p headwater-cli
	@echo "3/3 the server: Ctrl-C ends it; to sign in from a script: target/release/headwater token --user me --data $(DATA)"
	@exec target/release/headwater serve --listen $(LISTEN) --data $(DATA) --models $(MODELS) $(ARGS)

model: ## fetch the local model and the embeddings (about 190 MB, once, check sums verified)
	scripts/fetch-models.sh $(MODELS)

build: ## the optimised program, target/release/headwater
	cargo build --release --locked -p headwater-cli

test: test-rust test-pages test-outside ## everything, without an account, a key or a server of yours

test-rust: ## pure, contract and socket rings
ifeq ($(NEXTEST),nextest)
	cargo nextest run --workspace --locked
	cargo test --workspace --locked --doc -q
else
	cargo test --workspace --locked
endif

test-pages: ## the pages: types, their pure parts, and whether what is committed is what the source builds
	scripts/check-pages.sh

test-outside: ## the real program from outside: clients, browser, kill -9, power cuts, the real model
	cargo build --workspace --all-targets --locked
	@scripts/fetch-models.sh $(MODELS) || echo "no model: the test that asks the real one is left out"
	HEADWATER_BIN=$(CURDIR)/target/debug/headwater MODELS=$(MODELS) tests/outside/run.sh

lint: ## format, clippy with warnings as errors, licences and advisories where cargo-deny is there
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check; else echo "cargo-deny is not there; licences and advisories are not checked"; fi

fuzz: ## throw broken streams at the decoders of providers, each for SECONDS (60)
	scripts/fuzz.sh $(SECONDS)

gen: ## rebuild what is committed and generated: the pages, the protocol's schema, the API's description
	cd web && npm ci && npm run build
	cargo run -q --locked -p headwater-server --example schema > docs/protocol/native.schema.json
	cargo run -q --locked -p headwater-server --example openapi > docs/openapi.json

bench: build ## speed beside a peer, by ratio; see bench/README.md
	python3 bench/first_token.py
	python3 bench/idle_memory.py
	python3 bench/decode.py
	python3 bench/stop.py
	tests/outside/.venv/bin/python bench/dialects.py
