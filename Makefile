# Thin: every target is one or two commands that you may also type yourself.
# `make help` lists them. Python packages go to .venv, from requirements.lock.

SHELL := bash
.DEFAULT_GOAL := help

# The first of these that is at least Python 3.11; override with `make PYTHON=...`.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
# Where the packages go. An environment that exists already may be named instead: VENV=$CONDA_PREFIX.
VENV ?= .venv
# Which study of config/ to run.
STUDY ?= quick
# For `make bench`.
DEVICE ?= cpu
# For `make bench-peers`: where the authors' code lies, and how many CPUs each side may use.
PEERS ?= peers
THREADS ?= 1
# For `make mutants`: how many; 0 for all, which takes hours.
SIZE ?= 320

# Not `abspath`, and quoted wherever it is used: the path of the checkout or of VENV may hold spaces.
BIN := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))/bin
STUDY_FILE := config/$(STUDY).yaml
STUDIES = $(filter-out methods online oracle tasks trials,$(basename $(notdir $(wildcard config/*.yaml))))
EMPTY :=
INSTALLED := $(subst $(EMPTY) $(EMPTY),\ ,$(VENV))/.gtp-installed
PIP_FLAGS := --disable-pip-version-check
# Rules of the workflow call `python`; this makes it the environment's.
export PATH := $(BIN):$(PATH)

.PHONY: help
help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 20

$(INSTALLED): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
	  echo "no Python 3.11 or newer found: install one, or name it with make PYTHON=/path/to/python" >&2; exit 1; \
	fi
	@if [ ! -x "$(BIN)/python" ]; then echo "Creating $(VENV)"; "$(PYTHON)" -m venv "$(VENV)"; fi
	@echo "Installing requirements.lock into $(VENV): a few minutes the first time"
	@"$(BIN)/python" -m pip install $(PIP_FLAGS) -r requirements.lock
	@"$(BIN)/python" -m pip install $(PIP_FLAGS) --quiet --no-deps --no-build-isolation --editable .
	@touch "$@"

$(STUDY_FILE):
	@echo "there is no study '$(STUDY)' in config/; choose one of: $(STUDIES)" >&2; exit 1

.PHONY: environment
environment: $(INSTALLED)  ## Create .venv from requirements.lock

.PHONY: reproduce
reproduce: $(STUDY_FILE) $(INSTALLED)  ## Environment, then every figure and table of a study (STUDY=quick) and its page
	@"$(BIN)/python" -m gtp estimate --study $(STUDY_FILE) 2> /dev/null || true
	@"$(BIN)/snakemake" --cores all --configfile $(STUDY_FILE)
	@"$(BIN)/snakemake" page --cores all --configfile $(STUDY_FILE) --quiet all
	@"$(BIN)/python" workflow/scripts/tell_study.py results/$(STUDY)

.PHONY: estimate
estimate: $(STUDY_FILE) $(INSTALLED)  ## How long a study (STUDY=quick) takes here, by task and method
	@"$(BIN)/python" -m gtp estimate --study $(STUDY_FILE)

.PHONY: compare
compare: $(INSTALLED)  ## A finished study (STUDY=quick) against its committed reference, cell by cell
	@"$(BIN)/python" -m gtp compare --study results/$(STUDY)

.PHONY: report
report: $(STUDY_FILE) $(INSTALLED)  ## report/quick/index.html: all that a study (STUDY=quick) says, on one page
	@"$(BIN)/snakemake" page --cores all --configfile $(STUDY_FILE)

.PHONY: snakemake-report
snakemake-report: $(STUDY_FILE) $(INSTALLED)  ## report.html: Snakemake's own report, with its graph and times (STUDY=quick)
	@"$(BIN)/snakemake" --configfile $(STUDY_FILE) --report report.html

.PHONY: adopt-reference
adopt-reference: $(STUDY_FILE) $(INSTALLED)  ## Make a finished study (STUDY=quick) a committed reference, and draw it
	@"$(BIN)/python" workflow/scripts/adopt_reference.py $(STUDY_FILE)
	@"$(BIN)/snakemake" reference --cores all

# Files in the order of tests/conftest.py. A worker that crashes ends the run: restarted, it would wait for ever.
PYTEST = "$(BIN)/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: test
test: $(INSTALLED)  ## The tests, without those that take a minute or more each
	@$(PYTEST)

.PHONY: test-slow
test-slow: $(INSTALLED)  ## The others: whole studies, many processes, compiled training
	@$(PYTEST) -m "slow and not gpu and not network"

.PHONY: faults
faults: $(INSTALLED)  ## 100 kills and 900 damaged files, what came of them (half an hour; writes docs/faults.md)
	@"$(BIN)/python" -m tests.faults.kills --record docs/faults.md
	@"$(BIN)/python" -m tests.faults.damaged_files --record docs/faults.md

# Not part of `test`: it needs root and Debian, and installs Slurm.
.PHONY: test-cluster
test-cluster: $(INSTALLED)  ## The workflow on a real Slurm: a node lost, a time limit, the head killed (minutes)
	@"$(BIN)/python" -m tests.cluster.scenarios

.PHONY: mutants
mutants: $(INSTALLED)  ## Break the mathematics and the training line by line: tests must fail (writes docs/mutants.md)
	@"$(BIN)/python" -m tests.mutants.run --size $(SIZE) --record docs/mutants.md

# A stage keeps its input functions beside its rules, which is all that Snakemake's own linter may find.
.PHONY: lint
lint: $(INSTALLED)  ## Style of the Python and Snakemake files, types of the package
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/snakefmt" --check Snakefile workflow
	@"$(BIN)/mypy" --no-error-summary
	@! "$(BIN)/snakemake" --lint 2>&1 | grep -E '^ +\* |[Ee]rror' | grep -v 'Mixed rules and functions'

.PHONY: format
format: $(INSTALLED)  ## Rewrite the Python and Snakemake files in that style
	@"$(BIN)/ruff" check --fix .
	@"$(BIN)/ruff" format .
	@"$(BIN)/snakefmt" Snakefile workflow

.PHONY: bench
bench: $(INSTALLED)  ## Updates per second and milliseconds per action (DEVICE=cpu or cuda)
	@"$(BIN)/python" -m gtp bench --device $(DEVICE)

.PHONY: growth
growth: $(INSTALLED)  ## How time and memory grow with transitions, seeds and tasks (writes docs/growth.md)
	@"$(BIN)/python" -m tests.growth.run --record docs/growth.md

.PHONY: bench-peers
bench-peers: $(INSTALLED)  ## Training speed beside the authors' own code, which it says how to fetch (PEERS, THREADS)
	@"$(BIN)/python" -m tests.peers.run --peers "$(PEERS)" --threads $(THREADS)

.PHONY: bench-precision
bench-precision: $(INSTALLED)  ## Training speed in bfloat16 beside float32, on a CPU that multiplies in both (THREADS)
	@"$(BIN)/python" -m tests.peers.precisions --threads $(THREADS)

.PHONY: audit
audit: .venv-audit/bin/pip-audit  ## Known weaknesses of the packages in requirements.lock (needs PyPI's advisories)
	@if .venv-audit/bin/pip-audit --strict --progress-spinner off --disable-pip --no-deps -r requirements.lock \
	    2> .venv-audit/said; then cat .venv-audit/said; \
	elif grep -q '^Found ' .venv-audit/said; then grep '^Found ' .venv-audit/said >&2; exit 1; \
	else echo "not audited: $$(tail -n 1 .venv-audit/said | sed 's/^ERROR:[^:]*://'); it takes pypi.org itself, by the internet" >&2; exit 1; fi

.venv-audit/bin/pip-audit:
	@"$(PYTHON)" -m venv .venv-audit
	@.venv-audit/bin/python -m pip install $(PIP_FLAGS) --quiet pip-audit==2.10.1

# CUDA packages are left out of the lock: torch pins the ones that its build needs, where it needs them.
# Hashes too: see the header that this writes.
.PHONY: lock
lock:  ## Write requirements.lock: pyproject.toml with the versions of the present lock (UPGRADE=1: the newest)
	@rm -rf .venv-lock
	@"$(PYTHON)" -m venv .venv-lock
	@.venv-lock/bin/python -m pip install $(PIP_FLAGS) $(if $(UPGRADE),,-c requirements.lock) --editable '.[all]'
	@set -o pipefail; { \
	  echo "# Every package of the environment, written by 'make lock' with $$("$(PYTHON)" --version)."; \
	  echo "# Without local build tags (torch's '+cpu') and without the CUDA packages that a CUDA build of torch pins."; \
	  echo "# Without hashes: pip wants them of every package or of none, so of the CUDA packages as well; listed here, these"; \
	  echo "# would come with torch's CPU builds too. What protects instead: exact versions of all packages, since PyPI never"; \
	  echo "# replaces a file, and 'make audit'."; \
	  .venv-lock/bin/python -m pip freeze --all --exclude-editable --exclude pip | sed -E 's/\+.*$$//' \
	    | grep -vE '^(nvidia|cuda|triton)[-=]' | LC_ALL=C sort -f; \
	} > .venv-lock/requirements.lock
	@mv .venv-lock/requirements.lock requirements.lock
	@rm -rf .venv-lock

.PHONY: clean
clean:  ## Remove results, figures, tables, logs and checkpoints; keep datasets, environment and reference/
	@for folder in results figures paper_tables; do \
	  if [ -d $$folder ]; then find $$folder -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +; fi; \
	done
	@rm -rf logs benchmarks checkpoints .cache .snakemake report report.html report.zip

.PHONY: distclean
distclean: clean  ## Remove the datasets and .venv as well
	@rm -rf resources .venv .venv-lock .venv-audit
