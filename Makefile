# Everseed needs Go, Node, git and make; everything else is fetched or found. No C compiler: cgo
# is off.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export CGO_ENABLED := 0

PROGRAMS := everseed everseed-agent everseed-auditor everseed-devnet everseed-market
CONTRACT := marketplace/escrow/contract
TRONWEB := deploy/devchain/testdata/tronweb
PAGE := $(shell find web/src web/public web/index.html web/*.ts web/*.mjs web/package.json -type f)
TOOL := go tool -modfile=deploy/tools/go.mod
GO_FILES := git ls-files -co --exclude-standard '*.go'

.PHONY: help
help: ## say what can be made (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## watch a dying torrent being kept alive and paid for; ARGS=--once ends by itself
	./bin/everseed-devnet demo $(ARGS)

.PHONY: build
build: web ## build the five programs into bin/, the page embedded
	go build -o bin/ $(PROGRAMS:%=./cmd/%)

.PHONY: web
web: web/dist/index.html ## build the page into web/dist/

web/dist/index.html: web/node_modules/.package-lock.json $(PAGE)
	npm run --prefix web build
	@touch $@

# npm writes this file last, so it is there only when the packages are.
%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: test
test: web $(CONTRACT)/node_modules/.package-lock.json $(TRONWEB)/node_modules/.package-lock.json ## run every test: page, Go, stories, browser
	npm run --prefix web test
	chromium=$$(deploy/browser/setup.sh) && \
	EVERSEED_CHROMIUM="$$chromium" go test -count=1 -timeout 20m ./...

.PHONY: bench
bench: ## measure what is promised: the vault's energy by call, the ledger against pgbench
	go test -run '^$$' -bench . ./$(CONTRACT)
	go test -run '^$$' -bench Ledger -benchtime 8s ./marketplace/orderbook

.PHONY: chaos
chaos: ## kill everything 24 times under 16 posters at work, then follow every base unit
	EVERSEED_CHAOS=full go test -count=1 -timeout 30m -v -run TestMoneySurvivesChaos \
		./cmd/everseed-devnet

.PHONY: check
check: check-go check-web check-made ## all that is checked without running the market

# Rules of gosec that have no answer here: BitTorrent's infohash is SHA-1 (G401, G505), and every
# conversion of a bounded integer would need a note (G115).
UNASKED := G115,G401,G505

.PHONY: check-go
check-go: web/node_modules/.package-lock.json
	@unformatted=$$(gofmt -l $$($(GO_FILES))); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	go vet ./...
	cd seederagent/utp && go vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) gosec -quiet -exclude-dir=node_modules -exclude=$(UNASKED) ./...
	go test -count=1 ./cmd

.PHONY: check-web
check-web: web/node_modules/.package-lock.json
	npm run --prefix web check
	npm run --prefix web lint

# What is generated and committed must be what its source says today.
.PHONY: check-made
check-made: web/node_modules/.package-lock.json $(CONTRACT)/node_modules/.package-lock.json
	go test -count=1 -run TestOpenAPIIsCurrent ./api
	go test -count=1 -run TestTheCommittedBytecodeIsWhatTheSourcesCompileTo ./$(CONTRACT)
	npm run --prefix web types:check

.PHONY: mutants
mutants: $(CONTRACT)/node_modules/.package-lock.json ## compile the vault's mutants anew and judge them
	EVERSEED_MUTANTS=1 go test -count=1 -run Mutant ./$(CONTRACT)

.PHONY: clean
clean: ## remove what was built; fetched packages stay
	rm -rf bin dist web/dist/assets web/dist/*.html web/dist/*.svg
