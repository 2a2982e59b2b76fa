# Braid: `make demo` shows it, `make test` proves it. Both need a Debian
# machine, root and Go; the rest they fetch and build, once.

SHELL       := /bin/bash -o pipefail
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
KERNEL      ?= newest
PLATFORMS   ?= linux/amd64,linux/arm64
RUN         ?= .
E2E_TIMEOUT ?= 60m
ARTIFACTS   := $(CURDIR)/artifacts
VM           = bin/braid-vm

export CGO_ENABLED := 0

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## Show this help
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: lab ## Cut a path under I/O on a real Kubernetes and see what kubectl says of it
	@bin/braid-demo -kernel $(KERNEL) -o $(ARTIFACTS)/demo

# Crashes at every step and the like take longer than one wants to wait for
# each change: they are part of e2e.
.PHONY: test
test: SKIP = ^Test(Crash|Hung|Userspace|BPF|Legacy|Remediation(BlackHole|Slow|DNR|Standby|MTU|Marginal|Bench))
test: unit api scenarios story ## Everything: unit tests, API tests, scenarios on a real kernel, the story on Kubernetes

.PHONY: unit
unit: bin/helm ## Unit tests: no root, no VM
	$(GO) test ./...
	$(GO) -C hack test $$($(GO) -C hack list ./... | grep -v -e /e2e -e /machines -e /mutants -e /chart)
	$(GO) -C hack test ./machines -run 'Report|Table'
	$(GO) -C hack test -count=1 ./chart

.PHONY: race
race: ## Unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

# Those that take several machines run for hours: they are asked for by name.
.PHONY: e2e
e2e: scenarios $(if $(filter .,$(RUN)),,machines) $(if $(findstring Userspace,$(RUN)),model) api kubernetes ## Every scenario, or some: make e2e RUN='FailoverANA|KubernetesStory'

# run_tests FOLDER,WHAT IT NEEDS,FLAGS: where no test has a name that RUN wants,
# nothing is built or started.
run_tests = @if sed -n 's/^func \(Test[A-Za-z0-9_]*\).*/\1/p' hack/$(1)/*_test.go | grep -E '$(firstword $(subst /, ,$(RUN)))' >/dev/null; then \
	set -e; $(MAKE) --no-print-directory $(2); cd hack; set -x; \
	$(GO) test ./$(1) -count=1 -v -run '$(RUN)' $(if $(SKIP),-skip '$(SKIP)') -timeout $(E2E_TIMEOUT)$(3); fi

IN_VM = -exec '$(CURDIR)/$(VM) exec -kernel $(KERNEL) -o $(ARTIFACTS)/e2e \
	-add $(CURDIR)/bin/braid-node=/usr/bin/braid-node -add $(CURDIR)/bin/braid-node-faultpoints=/usr/bin/braid-node-faultpoints \
	-add $(CURDIR)/bin/braid-csi19=/usr/bin/braid-csi19'

.PHONY: scenarios
scenarios: ## Scenarios on a real kernel, without Kubernetes
	$(call run_tests,e2e,build faultpoints testbed, $(IN_VM))

.PHONY: model
model: ## A random workload over our own host through 500 faults, held against a model
	BRAID_FAULTS=500 $(GO) test ./pkg/head -count=1 -v -run '^TestModel' -timeout $(E2E_TIMEOUT)

.PHONY: machines
machines: E2E_TIMEOUT = 240m
machines: export BRAID_KERNEL = $(KERNEL)
machines: ## Scenarios that take several machines: other kernels, a reboot
	$(call run_tests,machines,build faultpoints testbed $(if $(findstring BPF,$(RUN)),compiler))

# For the NVMe modules of an older patch (hack/machines/flat_test.go).
.PHONY: compiler
compiler:
	@command -v gcc-12 >/dev/null && command -v patch >/dev/null || \
		{ apt-get update -q && apt-get install -q -y --no-install-recommends gcc-12 patch; }

.PHONY: api
api: ## The API and attaching, against a real control plane
	$(call run_tests,e2e/api,build kubernetes-programs bin/helm)
	$(call run_tests,e2e/attach,build kubernetes-programs bin/helm)

.PHONY: kubernetes
kubernetes: E2E_TIMEOUT = 120m
kubernetes: ## Scenarios on a real Kubernetes
	$(call run_tests,e2e/kubernetes,build lab)

.PHONY: faultpoints
faultpoints:
	@$(GO) build -trimpath -tags faultpoints -o bin/braid-node-faultpoints ./cmd/braid-node

.PHONY: mutants
mutants: lab ## See that a braid-node that does something wrong turns scenarios red
	cd hack && $(GO) test ./mutants -count=1 -v -timeout 60m

.PHONY: story
story: RUN = KubernetesStory
story: kubernetes

.PHONY: cluster
cluster: kubernetes-programs ## Start Kubernetes with a VM as its node, and prove that it works
	@bin/braid-cluster selftest -kernel $(KERNEL)

.PHONY: kubernetes-programs
kubernetes-programs: testbed
	@bin/braid-cluster prepare -kernel $(KERNEL)

.PHONY: lab
lab: kubernetes-programs bin/helm faultpoints
	@bin/braid-image -platforms linux/amd64 -version '$(VERSION)' -name localhost/braid -o bin/image

bin/helm: hack/helm/go.mod hack/helm/go.sum
	@echo "building Helm, once: about 2 minutes"
	@$(GO) -C hack/helm build -trimpath -ldflags '-s -w' -o ../../bin/helm helm.sh/helm/v4/cmd/helm

.PHONY: image
image: testbed ## The container image: make image PLATFORMS=linux/amd64,linux/arm64 [PUSH=REPOSITORY:TAG]
	bin/braid-image -platforms '$(PLATFORMS)' -version '$(VERSION)' -o bin/image $(if $(PUSH),-push '$(PUSH)')

.PHONY: build
build: ## Build the programs into bin/
	@echo "building Braid"
	@$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

.PHONY: testbed
testbed: ## Build the test bed's programs and fetch what it needs
	@echo "building the test bed"
	@$(GO) -C hack build -trimpath -o ../bin/ ./cmd/...
	@$(GO) -C hack/csi19 build -trimpath -o ../../bin/braid-csi19 .
	@$(VM) setup -kernel $(KERNEL)

.PHONY: lint
lint: ## Lint, with the house's import rules
	$(GO) tool -modfile=hack/tools/go.mod golangci-lint run ./...
	cd hack && $(GO) tool -modfile=tools/go.mod golangci-lint run -c ../.golangci.yml ./...

DOCUMENTS    = ../README.md ../charts/braid/README.md

.PHONY: generate
generate: bin/helm ## Write what is generated: API, CRDs, renders of the chart, parts of the documentation
	$(GO) -C hack run ./cmd/braid-api ..
	$(GO) -C hack test ./chart -count=1 -run Golden -update
	$(GO) -C hack run ./cmd/braid-docs $(DOCUMENTS)

.PHONY: check
check: bin/helm ## Fail where generated files or module files have drifted
	$(GO) mod tidy -diff
	$(GO) -C hack mod tidy -diff
	$(GO) -C hack run ./cmd/braid-api -check ..
	$(GO) -C hack test ./chart -count=1 -run Golden
	$(GO) -C hack run ./cmd/braid-docs -check $(DOCUMENTS)

.PHONY: fixtures
fixtures: testbed ## Capture the sysfs fixtures of the native engine anew
	hack/capture.sh $(KERNEL)

.PHONY: bench
bench: ## Benchmarks of the root module
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-io
bench-io: build faultpoints testbed ## Our NVMe/TCP host beside a bare TCP exchange, and in a VM beside the kernel's host
	$(GO) test ./pkg/host -run '^$$' -bench Host -benchtime 400000x
	cd hack && $(GO) test ./e2e -run '^$$' -bench Userspace -benchtime 1x $(IN_VM)

.PHONY: bench-bpf
bench-bpf: build faultpoints testbed ## What counting by BPF costs, in a VM: IOPS, processor time, an idle braid-node
	cd hack && $(GO) test ./e2e -run '^$$' -bench BPF -benchtime 1x $(IN_VM)

.PHONY: clean
clean: ## Remove what was built here; the cache of kernels stays
	rm -rf bin artifacts
