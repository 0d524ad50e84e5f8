# The commands of the repository. `make demo` and `make test` need only Python 3.11 or later and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ARCHITECTURE ?= arm64
LAMBDA_PYTHON ?= 3.13
SEED ?= 1
BENCHMARKS := $(filter-out test_% _%,$(notdir $(basename $(wildcard tests/benchmarks/*.py))))


# Cache bytecode: the tests start hundreds of processes, each of which would otherwise compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test lint format bench package packages e2e lock terraform-lock sql clean
.PHONY: mutate quick soak test-benchmarks test-faults test-large test-properties test-recipes test-spark
.PHONY: test-wheels

help: ## list the targets and what they do
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/' | expand -t 24

install: .venv/.installed ## install the project, all extras and what tests it into .venv, with the command .venv/bin/stockstream

# pip checks the hashes, and uses the package index that it is configured for. Each of these installs a lock file.
.venv/.installed: requirements.lock
.venv/.benchmarks: requirements-benchmarks.lock | .venv/.installed
.venv/.demo: requirements-demo.lock
.venv/.spark: requirements-spark.lock | .venv/.installed
.venv/.installed .venv/.benchmarks .venv/.demo .venv/.spark: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile --no-deps --require-hashes -r $(filter %.lock,$^)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Where everything is installed, so is what the demo needs.
demo: $(if $(wildcard .venv/.installed),.venv/.installed,.venv/.demo) ## create a lake of real bars in demo-lake/, and run a first query
	$(BIN)/stockstream demo --lake demo-lake

quick: install ## run the fast tests of all areas (under two minutes), for use while editing
	$(BIN)/python -m pytest -m "not slow and not large and not faults and not soak and not benchmarks and not recipes and not e2e and not wheels and not spark" --hypothesis-profile quick

test: install ## run the test suite, without the slow families below
	$(BIN)/python -m pytest -m "not hypothesis and not large and not faults and not soak and not benchmarks and not recipes and not e2e and not wheels and not spark"

test-properties: install ## run the property tests: random histories, files and tables, with hypothesis
	$(BIN)/python -m pytest -m "hypothesis and not large and not faults and not soak and not benchmarks and not recipes and not e2e and not wheels and not spark"

test-faults: install ## run all fault tests: kills, failed requests, damage (option: SHARE=1/3, a third of them)
	$(BIN)/python -m pytest $(if $(SHARE),--share $(SHARE)) -m "faults and not soak and not benchmarks and not recipes and not e2e and not wheels and not spark"

test-large: install ## run the tests of large inputs, long histories and recorded data, further variants (names, S3); option: SHARE=1/3
	$(BIN)/python -m pytest $(if $(SHARE),--share $(SHARE)) -m "large and not faults and not soak and not benchmarks and not recipes and not e2e and not wheels and not spark"

soak: install ## run 60 days of a lake of ten years, with damage, repairs and readers; option: SEED=7 (eight minutes)
	$(BIN)/python -m pytest -n 0 -m "soak and not spark" -s --soak-seed $(SEED)

test-benchmarks: .venv/.benchmarks ## test that every benchmark runs at its quick size
	$(BIN)/python -m pytest -m "benchmarks and not soak and not recipes and not e2e and not wheels and not spark"

test-recipes: install ## test the recipes of CONTRIBUTING.md in copies of the repository, and run the example notebooks
	$(BIN)/python -m pytest -m "recipes and not soak and not e2e and not wheels and not spark"

mutate: install ## change the SQL of the data checks, one operator at a time: a planted row must notice it (a minute)
	$(BIN)/python -m tests.mutation

e2e: install ## test the deployment on local servers: packages, apply, run, fail, recover, destroy
	$(BIN)/python -m pytest --dist loadfile -m "e2e and not soak and not wheels and not spark"

test-wheels: install ## test the wheel in empty environments, and together with other packages
	$(BIN)/python -m pytest -n 0 -m "wheels and not soak and not spark"

test-spark: .venv/.spark ## test exported SQL and the adapter on Spark; needs Java 17 or later
	$(BIN)/python -m pytest -n 0 -m spark

lint: install ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## format the code, and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.benchmarks ## run every benchmark in full size
	@for name in $(BENCHMARKS); do $(BIN)/python -m tests.benchmarks.$$name || exit 1; done

package: install ## build the wheel in dist/
	$(BIN)/python -m build --wheel --no-isolation

packages: install ## build the Lambda packages in build/packages/; options: ARCHITECTURE=x86_64, LAMBDA_PYTHON=3.12
	$(BIN)/python -m stockstream.terraform.packages --architecture $(ARCHITECTURE) --python $(LAMBDA_PYTHON)

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	--python-version 3.11 pyproject.toml

lock: ## update the lock files from pyproject.toml (tests, benchmarks, demo, Spark), without the address of a package index
	$(COMPILE) --extra all --group dev -o requirements.lock
	$(COMPILE) --extra all --group dev --group bench -c requirements.lock -o requirements-benchmarks.lock
	$(COMPILE) --extra demo --group build -c requirements.lock -o requirements-demo.lock
	$(COMPILE) --extra spark --group dev -c requirements.lock -o requirements-spark.lock

terraform-lock: ## update terraform/.terraform.lock.hcl, with the AWS provider's hashes for the usual platforms
	terraform -chdir=terraform providers lock -platform=linux_amd64 -platform=linux_arm64 \
		-platform=darwin_amd64 -platform=darwin_arm64

sql: install ## write the generated files: init.sql, tables of the READMEs, schema/*.parquet, versions.lock
	$(BIN)/python -m stockstream.pipeline.document
	$(BIN)/python -m stockstream.sql.generate

clean: ## delete everything that was built
	rm -rf .venv dist build demo-lake .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
