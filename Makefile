# The two set-up commands are `make run` and `make test`; README.md lists the others.
SHELL := /bin/bash
CONFIG ?= config/config.yaml
CORES ?= all
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
# TensorFlow has wheels for these releases
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
SNAKEMAKE = PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --cores $(CORES) --configfile $(CONFIG)
STUDY = $(shell sed -n 's/^study: *\([a-z0-9_.-]*\).*/\1/p' $(CONFIG))

.PHONY: run test bench test-cluster cluster cluster-await cluster-cancel frameworks numerics record install report tracking reconcile ui verdict lint lock schema

run: install
	@# a progress bar where somebody looks on
	@if [ -t 1 ]; then $(SNAKEMAKE) --logger rich; else $(SNAKEMAKE); fi
	@echo
	@echo "figures   results/$(STUDY)/figures/"
	@echo "tables    results/$(STUDY)/tables/"
	@echo "report    results/$(STUDY)/report.html"
	@echo "runs      make ui, then http://127.0.0.1:$(PORT)"

test: install
	$(BIN)/python -m pytest

# a SLURM of its own on this machine: comes up, is tested, goes down
test-cluster: install
	@$(BIN)/python -c 'import sys; sys.path.insert(0, "tests"); from support import slurm; sys.exit(slurm.missing())'
	$(BIN)/python -m pytest tests/cluster

# on a SLURM cluster; docs/cluster.md
cluster: install
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --workflow-profile workflow/profiles/slurm --configfile $(CONFIG)

# what an earlier run of this folder left in SLURM's queue
cluster-await cluster-cancel: install
	@$(BIN)/python -m sigmoid_bce.slurm.cluster $(@:cluster-%=%)

# all parts, or PARTS="floor peers"; further arguments by ARGS: docs/benchmarks.md
bench: install
	$(BIN)/python benchmarks/run.py $(PARTS) $(ARGS)

install: $(VENV)/installed

$(VENV)/installed: envs/requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "no Python 3.11, 3.12 or 3.13 found: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; fi
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module does not work here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# every framework of the laboratory; the locked releases stay as they are
frameworks: install
	sed -n 's/^\([a-z0-9].*==.*\) \\$$/\1/p' envs/requirements.lock > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		-c $(VENV)/constraints.txt -e '.[frameworks]'

numerics: install
	$(SNAKEMAKE) numerics

# keep the thresholds measured last as the ones that tests and verdicts go by
record: install
	$(BIN)/python -m sigmoid_bce.numerics.tables results/$(STUDY)/numerics/thresholds.csv

report: install
	$(SNAKEMAKE) --forcerun report --until report

tracking: install
	$(SNAKEMAKE) --forcerun track_cells

# closes runs that crashes left open; `snakemake` does so too when it starts
reconcile: install
	$(BIN)/python -m sigmoid_bce.tracking reconcile $(CONFIG)

ui: install
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	$(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 --backend-store-uri sqlite:///mlflow.db

# what raw outputs of a model trained anywhere lose: make verdict RAW=outputs.csv
verdict: install
	@if [ -z "$(RAW)" ]; then echo "name the file: make verdict RAW=outputs.csv (.csv, .parquet, .npz, .npy)"; exit 2; fi
	@$(BIN)/python -m sigmoid_bce.verdicts "$(RAW)" $(if $(LABEL),--label "$(LABEL)") \
		$(if $(RAW_OUTPUT),--raw-output "$(RAW_OUTPUT)") $(if $(TO),--to "$(TO)") \
		$(if $(THRESHOLDS),--thresholds "$(THRESHOLDS)") $(if $(REALLY_RAW),--really-raw)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --lint

schema: install
	$(BIN)/python -m sigmoid_bce.study.config workflow/schemas/config.schema.json

# needs uv; the lock holds hashes and no index address
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --upgrade -o envs/requirements.lock
