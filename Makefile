# Everything a person or CI does with this repository. `make` alone explains itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Steps share one cargo target directory and print in order; cargo itself uses every core.
.NOTPARALLEL:

export CARGO_TARGET_DIR ?= $(HOME)/.cache/belay/target
export BELAY_TOOLS ?= $(HOME)/.cache/belay/tools
export PATH := $(BELAY_TOOLS)/bin:$(HOME)/.cargo/bin:$(PATH)

ifdef CI
export CARGO_INCREMENTAL := 0
export INSTA_UPDATE := no
NEXTEST_PROFILE := ci
else
NEXTEST_PROFILE := default
endif

# One selection of packages and features for every command: another one would build the shared crates again.
SELECTION := --workspace --locked

BELAY := $(CARGO_TARGET_DIR)/release/belay
DESKTOP := $(CARGO_TARGET_DIR)/release/belay-desktop

# The desktop cockpit where there is a display, else the terminal one.
ifneq ($(DISPLAY)$(WAYLAND_DISPLAY),)
RUN := run-desktop
else
RUN := run-terminal
endif

.PHONY: help setup setup-desktop setup-test ui ui-check run run-desktop run-terminal run-web build build-desktop test \
	lint fmt fmt-check typos deny clippy doctest nextest e2e drift bench bundle demo types docs soak clean tools

help: ## Shows this list
	@printf 'Belay: a local-first incident cockpit.\n\n'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nBuilds go to %s (CARGO_TARGET_DIR).\n' '$(CARGO_TARGET_DIR)'

setup: ## Installs the system packages that a build needs and that are missing
	@scripts/setup.sh

setup-desktop:
	@scripts/setup.sh desktop

setup-test:
	@scripts/setup.sh desktop test

ui: setup ## Builds the user interface that the desktop app and `belay web` show
	@scripts/timed.sh 'user interface' scripts/ui.sh build

build: ui
	@cargo build --release --locked --package belay-terminal

build-desktop: setup-desktop ui
	@cargo build --release --locked --package belay-desktop --package belay-terminal

run: $(RUN) ## Builds Belay and opens it: the desktop cockpit where there is a display, else the terminal one

run-desktop: build-desktop ## Builds Belay and opens the desktop cockpit
	@'$(DESKTOP)'

run-terminal: build ## Builds Belay and opens it in this terminal (prints its help where there is none)
	@'$(BELAY)'

run-web: build ## Builds Belay and serves it to a browser on this machine
	@'$(BELAY)' web

test: setup-test tools ui ui-check fmt-check typos deny clippy doctest nextest e2e drift ## Runs every check and every test, as CI does

lint: setup-desktop tools ui ui-check fmt-check typos deny clippy ## Runs every check that needs no test

fmt: ## Formats the Rust code
	@cargo fmt --all

fmt-check:
	@scripts/timed.sh 'format' cargo fmt --all --check

ui-check: setup
	@scripts/timed.sh 'types, lints and tests of the user interface' scripts/ui.sh check

typos:
	@scripts/timed.sh 'spelling' typos

deny:
	@scripts/timed.sh 'licences, bans and sources' cargo deny --all-features --locked check --hide-inclusion-graph bans licenses sources

clippy:
	@scripts/timed.sh 'clippy' cargo clippy $(SELECTION) --all-targets -- -D warnings

doctest:
	@scripts/doctest.sh $(SELECTION)

nextest:
	@scripts/timed.sh 'tests' cargo nextest run $(SELECTION) --profile $(NEXTEST_PROFILE)

e2e: setup-test ui ## Drives the real programs in a browser and under a display without a screen
	@cargo build $(SELECTION) --tests
	@scripts/timed.sh 'browser' scripts/ui.sh e2e

drift:
	@scripts/timed.sh 'generated files' scripts/drift.sh

bench: setup-test ui ## Measures what a responder waits for: search, plan, a run's cost per step
	@scripts/bench.sh

bundle: setup-desktop ui ## Makes .deb and .rpm packages and a tarball with both programs
	@scripts/setup.sh bundle
	@scripts/bundle.sh

demo: setup ui ## Plays an incident on this machine, from the alert to the second, good run
	@cargo build --release --locked --package belay-terminal --package belay-testkit --bins
	@demo/run.sh

types: setup ## Writes the types of the web faces anew from the API
	@BELAY_WRITE_TYPES=1 cargo test --quiet --locked --package belay-cockpit --test typescript

docs: setup ## Builds the API documentation; a broken link fails
	@RUSTDOCFLAGS='-D warnings' cargo doc --workspace --locked --no-deps
	@printf 'documentation: %s/doc/belay_runbook/index.html\n' '$(CARGO_TARGET_DIR)'

soak: setup tools ## Kills Belay a thousand times at random, and at every passing of every crash point
	@BELAY_SOAK_KILLS=$${BELAY_SOAK_KILLS:-1000} cargo nextest run $(SELECTION) --profile soak -E 'test(/random_kills|kill_points/)'

clean: ## Removes what builds and tests left behind
	@cargo clean
	@rm -rf artefacts

tools:
	@scripts/tools.sh
