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

.PHONY: help run test build lint bench template clean

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

bench: $(BIN)/localdev ## Measure latency and throughput through the whole path
	@.ci/bench

clean: ## Remove what was built
	rm -rf $(BIN) .localdev .aws-sam
