# Braid: `make demo` shows it, `make test` proves it. Both need a Debian
# machine, root (for packages) and Go; the rest they fetch and build.

SHELL       := /bin/bash -o pipefail
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
KERNEL      ?= newest
RUN         ?= .
E2E_TIMEOUT ?= 40m
ARTIFACTS   := $(CURDIR)/artifacts
VM           = bin/braid-vm

export CGO_ENABLED := 0

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## Show this help
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build testbed ## Cut a path under I/O in a VM and watch Braid tell about it
	@$(VM) run -kernel $(KERNEL) -o $(ARTIFACTS)/demo -add bin/braid-node=/usr/bin/braid-node -timeout 10m -- bin/braid-demo

.PHONY: test
test: testbed unit e2e demo ## Everything: unit tests, all scenarios on a real kernel, the demo

.PHONY: unit
unit: ## Unit tests: no root, no VM
	$(GO) test ./...
	$(GO) -C hack test $$($(GO) -C hack list ./... | grep -v /e2e)

.PHONY: race
race: ## Unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

.PHONY: e2e
e2e: build testbed ## Scenarios on a real kernel: make e2e RUN='FailoverANA|Expand'
	cd hack && $(GO) test ./e2e -count=1 -v -run '$(RUN)' -timeout $(E2E_TIMEOUT) \
		-exec '$(CURDIR)/$(VM) exec -kernel $(KERNEL) -o $(ARTIFACTS)/e2e -add $(CURDIR)/bin/braid-node=/usr/bin/braid-node'

.PHONY: cluster
cluster: testbed ## Build Kubernetes once, start it with a VM as its node, and prove that it works
	@bin/braid-cluster prepare -kernel $(KERNEL)
	@bin/braid-cluster selftest -kernel $(KERNEL)

.PHONY: build
build: ## Build braid-node into bin/
	@echo "building braid-node"
	@$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

.PHONY: testbed
testbed: ## Build the test bed's programs and fetch what it needs
	@echo "building the test bed"
	@$(GO) -C hack build -trimpath -o ../bin/ ./cmd/...
	@$(VM) setup -kernel $(KERNEL)

.PHONY: lint
lint: ## Lint, with the house's import rules
	$(GO) tool -modfile=hack/tools/go.mod golangci-lint run ./...
	cd hack && $(GO) tool -modfile=tools/go.mod golangci-lint run -c ../.golangci.yml ./...

.PHONY: generate
generate: ## Write the generated parts of the documentation
	$(GO) -C hack run ./cmd/braid-docs ../README.md

.PHONY: check
check: ## Fail where generated files or module files have drifted
	$(GO) mod tidy -diff
	$(GO) -C hack mod tidy -diff
	$(GO) -C hack run ./cmd/braid-docs -check ../README.md

.PHONY: fixtures
fixtures: testbed ## Capture the sysfs fixtures of the native engine anew
	hack/capture.sh $(KERNEL)

.PHONY: bench
bench: ## Benchmarks of the root module
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: clean
clean: ## Remove what was built here; the cache of kernels stays
	rm -rf bin artifacts
