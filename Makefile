# Hailstream's chores. `make` lists them. Each installs what it needs; see CONTRIBUTING.md for what must be there before.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
BINARY := $(CARGO_TARGET_DIR)/release/hailstream
PYTHON := .venv/bin/python

.PHONY: help demo test lint bench e2e conformance build web unit clients fuzz

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: build ## Run the main job: stream, replay, application, index and console; ARGS="…" are handed on
	exec $(BINARY) demo $(ARGS)

test: unit clients e2e ## Run all tests: Rust, real clients, a real browser

build: web ## Build the release binary
	cargo build --release --locked --package hailstream

unit: web ## Run the Rust tests, the rules of the workspace and the recorded answers among them
	cargo test --workspace --locked

clients: build .venv/ready ## Run the tests with real clients (boto3, elasticsearch-py) against the real binary
	HAILSTREAM_BINARY=$(BINARY) $(PYTHON) tests/run.py

e2e: build ## Run the browser tests against the real page (installs a Chromium where none is found)
	CHROMIUM="$$(tests/chromium.sh)" HAILSTREAM_BINARY=$(BINARY) npm --prefix web run e2e

lint: web ## Check formatting, lints and the workspace's rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --quiet --locked --package xtask
	npm --prefix web run check
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check; else echo "cargo-deny is not installed: licences and advisories were left out"; fi

bench: build ## Run the benchmarks: one JSON line a figure (QUICK=1 for small ones)
	cargo bench --quiet --locked --workspace --bench replay --bench append --bench taxi --bench lookup --bench state --bench changes --bench index --bench platform --bench signatures --bench puts --bench shards --bench cloudwatch -- $(if $(QUICK),--quick,)
	$(if $(QUICK),,cargo xtask cold-build)

conformance: build .venv/ready ## Record the real systems' answers anew (CHECK=1: only compare); clients of Kinesis, Elasticsearch, Kafka and a Flink cluster beside the binary; needs Java 17, Maven
	python3 conformance/record.py search $(if $(CHECK),--check,)
	python3 conformance/record.py sql $(if $(CHECK),--check,)
	python3 conformance/kinesis/run.py $(BINARY)
	python3 conformance/sink.py $(BINARY)
	python3 conformance/kafka/run.py $(BINARY)
	python3 conformance/kafka/upserts.py $(if $(CHECK),--check,)
	$(PYTHON) conformance/flink/run.py $(BINARY)

SECONDS ?= 60
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
	-Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1

fuzz: web ## Let libFuzzer drive each parser that faces the outside (SECONDS=60 each; needs a C++ compiler)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(FUZZ_FLAGS)" CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/fuzz cargo build --release --package fuzz \
		--features libfuzzer --target $$(rustc -vV | sed -n 's/host: //p')
	mkdir -p fuzz/artifacts
	for target in requests signatures aggregated events disk sql search checkpoint services rules; do \
		$(CARGO_TARGET_DIR)/fuzz/*/release/fuzz-$$target -max_total_time=$(SECONDS) -artifact_prefix=fuzz/artifacts/; done

web: web/dist/index.html

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(wildcard web/*.html) $(wildcard web/*.ts web/*.json web/*.js) $(shell find web/src web/public -type f 2>/dev/null)
	npm --prefix web run build
	@touch $@

.venv/ready: tests/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement $<
	@touch $@
