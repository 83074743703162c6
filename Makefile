# Targets with a line of help each: make
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

export CGO_ENABLED := 0
BIN := bin
FUNCTIONS := order stock inventory bridge
# More flags for localdev up, such as make run ARGS="--redis embedded"
ARGS ?=
# What to test, such as make test PKG=./shared/... RUN=TestConformance
PKG ?= ./...
RUN ?= .

SEEDS ?= 10000
SEED ?=
FUZZTIME ?= 10s

.PHONY: help run test build lint model simulate mutants fuzz bench template clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(BIN)/localdev ## Build and run everything on this machine (needs Go, nothing else)
	@exec $(BIN)/localdev up $(ARGS)

build: $(BIN)/localdev $(addprefix $(BIN)/,$(FUNCTIONS)) ## Build bin/localdev and the functions

.PHONY: $(BIN)/localdev $(addprefix $(BIN)/,$(FUNCTIONS))
$(BIN)/localdev:
	@[ -e $@ ] || echo "building $@ (the first time takes a few minutes)"
	@go build -o $@ ./localdev

$(addprefix $(BIN)/,$(FUNCTIONS)): $(BIN)/%:
	@echo "building $@"
	@go build -o $@ ./functions/$*

test: ## Install what the tests need, where that may be done, and run them all
	@.ci/install
	@.ci/test '$(PKG)' -run '$(RUN)'

lint: ## Check the code: format, vet, golangci-lint, dependency rules
	@.ci/lint

template: ## Check template.yaml with cfn-lint, where it is installed
	@.ci/template

model: ## Check the formal model of the engine with spin
	@.ci/install
	@.ci/model

simulate: ## Simulate faults from many seeds: SEEDS=100000, or SEED=n to replay one
	@.ci/simulate '$(SEEDS)' '$(SEED)'

mutants: ## Put known bugs back into the code; the tests have to notice each
	@go run ./localdev/mutants

fuzz: ## Fuzz all that parses outside input, each target for FUZZTIME=10s
	@.ci/fuzz '$(FUZZTIME)'

bench: $(BIN)/localdev ## Measure latency and throughput through the whole path
	@.ci/bench

clean: ## Remove what was built
	rm -rf $(BIN) .localdev .aws-sam
