# The tools of the repository. `make demo` and `make test` need nothing but Python 3.11 or later and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ARCHITECTURE ?= arm64
LAMBDA_PYTHON ?= 3.13
BENCHMARKS := $(filter-out test_% _%,$(notdir $(basename $(wildcard tests/benchmarks/*.py))))


# Bytecode is cached: the tests start hundreds of processes, and each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test lint format bench package packages e2e lock terraform-lock sql clean
.PHONY: quick test-benchmarks test-faults test-recipes test-wheels

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/' | expand -t 24

install: .venv/.installed ## everything into .venv, with the command .venv/bin/stockstream

# Hashes are checked; the registry is whatever pip is set up to use.
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## a lake of real bars in demo-lake/, and a first query
	$(BIN)/stockstream demo --lake demo-lake

quick: install ## the fast tests of all areas, in under two minutes: to run while editing
	$(BIN)/python -m pytest -m "not slow and not faults and not benchmarks and not recipes and not e2e and not wheels" --hypothesis-profile quick

test: install ## the suite; each kind of fault is tried once
	$(BIN)/python -m pytest -m "not faults and not benchmarks and not recipes and not e2e and not wheels"

test-faults: install ## the full sweep of faults: kills at every write, failures of every request
	$(BIN)/python -m pytest -m "faults and not benchmarks and not recipes and not e2e and not wheels"

test-benchmarks: install ## every benchmark at its quick size: it runs, and prints its figures
	$(BIN)/python -m pytest -n 0 -m "benchmarks and not recipes and not e2e and not wheels"

test-recipes: install ## the recipes of CONTRIBUTING.md, each followed in a copy of the repository
	$(BIN)/python -m pytest -m "recipes and not e2e and not wheels"

e2e: install ## the deployment on loopback: packages, apply, run, fail, recover, destroy
	$(BIN)/python -m pytest -n 0 -m "e2e and not wheels"

test-wheels: install ## the wheel in empty environments, beside other packages
	$(BIN)/python -m pytest -n 0 -m wheels

lint: install ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## every benchmark, full size
	@for name in $(BENCHMARKS); do $(BIN)/python -m tests.benchmarks.$$name || exit 1; done

package: install ## the wheel, in dist/
	$(BIN)/python -m build --wheel --no-isolation

packages: install ## the Lambda packages, in build/packages/; ARCHITECTURE=x86_64, LAMBDA_PYTHON=3.12
	$(BIN)/python -m stockstream.terraform.packages --architecture $(ARCHITECTURE) --python $(LAMBDA_PYTHON)

lock: ## requirements.lock from pyproject.toml, without a registry's address
	$(BIN)/uv pip compile --quiet --all-extras --universal --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --python-version 3.11 pyproject.toml -o requirements.lock

terraform-lock: ## terraform/.terraform.lock.hcl: hashes of the AWS provider for the usual platforms
	terraform -chdir=terraform providers lock -platform=linux_amd64 -platform=linux_arm64 \
		-platform=darwin_amd64 -platform=darwin_arm64

sql: install ## what is generated from headers and lists: init.sql, tables of the READMEs, schema/*.parquet, versions.lock
	$(BIN)/python -m stockstream.pipeline.document
	$(BIN)/python -m stockstream.sql.generate

clean: ## all that was built
	rm -rf .venv dist build demo-lake .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
