# Everything here works from a clean clone with Rust, a C compiler and make.

DATA_DIR ?= .provost-demo

.PHONY: help demo test test-deps lint fmt release-contract bench chaos sim props clean-data

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

demo: ## one order's whole life, shown on a sample organisation
	@echo "Building Provost; the first time this takes a few minutes ..."
	cargo build -p provost
	cargo run -q -p provost -- demo --data-dir "$(DATA_DIR)"

test: test-deps ## every test, on real PostgreSQL and OpenLDAP servers
	cargo build --workspace
	cargo test --workspace

test-deps: ## install the servers that the tests need, or say what is missing
	@tests/setup/test-deps

lint: ## formatting, clippy, and the contract's checks (needs Node.js)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	tests/setup/contract

fmt: ## format the code
	cargo fmt --all

release-contract: ## make the present proto/ the one that later checks compare with
	tests/setup/contract release

bench: test-deps ## throughput, each figure beside its measured limit
	cargo run --release -q -p provost-tests --bin bench
	cargo test --release -q -p provost-order-generator --lib -- --ignored --nocapture evaluation_beside

MINUTES ?= 3
SEED ?=

chaos: test-deps ## real processes under real faults, judged by slapd's own log (MINUTES=3 SEED=)
	cargo build -q --bins -p provost-review -p provost-fulfillment -p provost-order-generator -p provost-agent \
	    -p provost-tests
	cargo run -q -p provost-tests --bin chaos -- --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

SEEDS ?= 1000
PROFILE ?= dev

sim: ## the suite in one process under a simulated network and clock (SEEDS=100000 PROFILE=release, or SEED=)
	cargo run -q --profile $(PROFILE) -p provost-tests --bin sim -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

props: ## the order generator under random catalogs, data and courses of things (SEEDS=200, or SEED=)
	$(if $(SEED),PROVOST_SEED=$(SEED),PROVOST_SEEDS=$(if $(filter file,$(origin SEEDS)),200,$(SEEDS))) \
	    cargo test -q -p provost-order-generator --test properties whatever -- --nocapture

clean-data: ## remove the data directory of the demo
	@[ ! -e "$(DATA_DIR)" ] || [ -f "$(DATA_DIR)/DEMO" ] || \
	    { echo "$(DATA_DIR) is not a demo's, or \`provost up\` went on with it: remove it yourself" >&2; exit 1; }
	rm -rf -- "$(DATA_DIR)"
