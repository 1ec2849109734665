# `make run` and `make test` do all the set-up; `make` alone lists every target and starts nothing.
SHELL := /bin/bash
CONFIG ?= config/config.yaml
# recipes read the names of files from the environment: as texts, whatever signs they hold
override export CONFIG := $(value CONFIG)
override export RAW := $(value RAW)
override export LABEL := $(value LABEL)
override export RAW_OUTPUT := $(value RAW_OUTPUT)
override export TO := $(value TO)
override export THRESHOLDS := $(value THRESHOLDS)
override export IGNORE := $(value IGNORE)
CORES ?= all
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
# TensorFlow has wheels for these releases of Python
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
IN_VENV = PATH="$(CURDIR)/$(BIN):$$PATH"
# targets come after --cores: --configfile would take them for files
SNAKEMAKE = $(IN_VENV) snakemake --configfile "$$CONFIG" --cores $(CORES)
TFJS = @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
STUDY = $$($(BIN)/python -m sigmoid_bce.study.reading "$$CONFIG")

.DEFAULT_GOAL := help
.PHONY: help run learning learning-full test soak lint bench releases canary numbers readme docs numerics record report tracking reconcile ui \
	verdict cluster cluster-await cluster-cancel test-cluster frameworks frameworks-more install schema lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / {printf "make %-30s %s\n", $$1, $$2}' Makefile

run: install ## install, run the study CONFIG (the default one), make its report
	@# a progress bar only on a terminal
	@export SIGMOID_BCE_ENDING=make; if [ -t 1 ]; then $(SNAKEMAKE) --logger rich; else $(SNAKEMAKE); fi
	@echo
	@study=$(STUDY) || exit 1; $(BIN)/python -m sigmoid_bce.jobs.ending "results/$$study"

learning: CONFIG = config/studies/learning.yaml
learning: run ## run the study of learning: does it matter for what networks learn?

learning-full: CONFIG = config/studies/learning-full.yaml
learning-full: run ## run the regimes that the study of learning leaves out, convnets among them

test: install $(VENV)/slurm ## install, run the tests
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

soak: frameworks-more $(VENV)/slurm ## run the rings of tests that take hours; finished ones are kept
	$(BIN)/python -m pytest tests/soak -m soak $(ARGS)

# snakefmt and --lint as the Workflow Catalog runs them; it does not look at the Snakefile of the root
lint: install ## check style, types, imports, complexity, losses and the workflow's form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules/*.smk
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/support/complexity.py
	$(BIN)/mypy
	$(BIN)/sigmoid-bce check workflow benchmarks docs
	$(IN_VENV) snakemake --lint

bench: install $(VENV)/slurm ## measure what it costs: PARTS="floor peers", ARGS=...; docs/benchmarks.md
	$(BIN)/python benchmarks/run.py $(PARTS) $(ARGS)

releases: install ## measure old releases in throw-away environments: ARGS="--list"; docs/releases.md
	$(BIN)/python benchmarks/releases.py $(ARGS)

canary: install ## measure nightly releases, and say what moved since the record: docs/releases.md
	$(BIN)/python benchmarks/releases.py --canary $(ARGS)

numbers: install ## collect the numbers of documents from finished studies into docs/numbers
	$(BIN)/python docs/tools/collect.py

readme: install ## write docs/numbers and the rule graph into the documents, draw their pictures
	$(IN_VENV) snakemake rulegraph --cores 1 --quiet all
	$(BIN)/python docs/tools/render.py

docs: install ## build the documentation site in build/docs/site; broken links and anchors are errors
	$(BIN)/python docs/tools/site_builder.py

numerics: install ## run the conformance suite alone
	$(SNAKEMAKE) numerics

frameworks: install ## install the frameworks that the conformance suite measures in CI
	$(PIP) --no-build-isolation -c $(VENV)/constraints.txt -e '.[frameworks]'

# PaddlePaddle asks for another opt-einsum than the lock has; TensorFlow and JAX take both
frameworks-more: frameworks ## install CatBoost, PaddlePaddle and, by npm, TensorFlow.js too: 1.3 GB on the disk
	$(PIP) --no-build-isolation -c <(grep -v '^opt-einsum==' $(VENV)/constraints.txt) -e '.[frameworks,frameworks-more]'
	command -v npm >/dev/null || { echo "no npm here: TensorFlow.js is left out"; exit 0; }; \
		npm install --silent --no-save --no-package-lock --no-audit --no-fund $(TFJS)

record: install ## make the last measured thresholds the record; ARGS=--add adds what it lacks
	study=$(STUDY) && $(BIN)/python -m sigmoid_bce.numerics.record "results/$$study/numerics/thresholds.csv" $(ARGS)

report: install ## make the report again
	$(SNAKEMAKE) --forcerun report --until report

tracking: install ## log every run of the study again
	$(SNAKEMAKE) --forcerun track_cells

reconcile: install ## close the runs that a crash left open; snakemake does it when it starts
	$(BIN)/python -m sigmoid_bce.tracking reconcile "$$CONFIG"

ui: install ## show the runs in MLflow, on 127.0.0.1:PORT, without a login; NO_BROWSER=1 opens none
	@echo "Everybody with an account on this machine can see and change the runs while this runs."
	@echo "docs/tracking.md, \"On a shared machine\", says how to ask for a password."
	@NO_BROWSER="$(NO_BROWSER)" $(BIN)/python -m sigmoid_bce.tracking ui "$$CONFIG" --port $(PORT) $(UI)

verdict: install ## judge the raw outputs of any model: RAW=outputs.csv
	@if [ -z "$$RAW" ]; then echo "name the file: make verdict RAW=outputs.csv (.csv, .parquet, .npz, .npy)"; exit 2; fi
	@$(BIN)/sigmoid-bce verdict $(if $(LABEL),--label="$$LABEL") \
		$(if $(RAW_OUTPUT),--raw-output="$$RAW_OUTPUT") $(if $(TO),--to="$$TO") \
		$(if $(THRESHOLDS),--thresholds="$$THRESHOLDS") $(if $(IGNORE),$$(printf " --ignore=%s" $$IGNORE)) \
		$(if $(REALLY_RAW),--really-raw) $(ARGS) -- "$$RAW"

cluster: install $(VENV)/slurm ## run the study on SLURM; docs/cluster.md
	$(IN_VENV) snakemake --workflow-profile workflow/profiles/slurm --configfile "$$CONFIG"

cluster-await cluster-cancel: install ## await, or cancel, the jobs that an earlier run left in SLURM's queue
	@$(BIN)/python -m sigmoid_bce.slurm.queue $(@:cluster-%=%)

test-cluster: install $(VENV)/slurm ## test with a SLURM that is started for it; apt install slurm-wlm munge slurmdbd mariadb-server
	@$(BIN)/python -c 'import sys; sys.path.insert(0, "tests"); from support import slurm; sys.exit(slurm.missing(accounts=True))'
	$(BIN)/python -m pytest tests/cluster

schema: install ## write the schema of configuration files
	$(BIN)/python -m sigmoid_bce.study.schema workflow/schemas

install: $(VENV)/installed ## create the environment .venv from envs/requirements.lock

$(VENV)/installed: envs/requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "no Python 3.11, 3.12 or 3.13 found: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; fi
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module does not work here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PIP) --require-hashes -r envs/requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@sed -n 's/^\([a-z0-9].*==.*\) \\$$/\1/p' envs/requirements.lock > $(VENV)/constraints.txt
	@touch $@

# not part of `install`: Snakemake imports every installed executor plugin when it starts, which takes a second
# for this one
$(VENV)/slurm: $(VENV)/installed
	$(PIP) --no-build-isolation -c $(VENV)/constraints.txt -e '.[slurm]'
	@touch $@

lock: ## renew envs/requirements.lock with uv; it holds hashes and no index address
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --extra workflow --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --upgrade -o envs/requirements.lock
