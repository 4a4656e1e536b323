# Every target sets up what it needs: a virtual environment in .venv with the exact versions of
# requirements.lock. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PIP := -m pip --disable-pip-version-check --no-input
NEWEST := build/newest

# make edit CLIP=mine.mp4 SOURCE="what is seen" TARGET="what you want"
CLIP ?= course/samples/red_circle.mp4
SOURCE ?= a red circle moving right on a blue background
TARGET ?= a green star moving right on a blue background
OUTPUT ?= outputs/edit.mp4

# make update TORCH=2.14.0 moves torch; otherwise it stays where the lock file has it.
TORCH ?= $(shell sed -n 's/^torch==//p' requirements.lock)
BENCHMARKS ?= judge model swaps edit flow speed depth temporal bilateral explorers clips damage \
    methods methods_memory size_of_swaps

# make test WORKERS=1 runs one process; auto is one for each core.
WORKERS ?= auto

# make measure LESSONS="01 02"; without LESSONS every lesson is measured.
LESSONS ?=

# make setup LEARNER=1 leaves out what only developers and teachers use.
# make setup OFFLINE=folder takes every package from a folder that make wheelhouse has filled.
LEARNER ?=
OFFLINE ?=
WHEELHOUSE ?= wheelhouse
FROM = $(if $(OFFLINE),--no-index --find-links "$(OFFLINE)")
WANTED = $(if $(LEARNER),-c requirements.lock setuptools ".[lessons]",-r requirements.lock)

# make class PLAN=90-minutes; teaching/ has the plans.
PLAN ?= 90-minutes

.DEFAULT_GOAL := help
.PHONY: help setup wheelhouse edit test lint lab notebooks teaching class site slides measure bench
.PHONY: train update canary clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## create or renew .venv, as the others do by themselves (LEARNER, OFFLINE)

# Wheels, so that the machines of the class need no compiler. They fit machines with this operating
# system, this processor and this Python.
wheelhouse: ## fill a folder for make setup OFFLINE=folder (WHEELHOUSE and LEARNER can be set)
	@$(call check_python)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$(PYTHON)" -m venv "$$folder/venv" || { $(call venv_help); }; \
	"$$folder/venv/bin/python" $(PIP) wheel --wheel-dir "$(WHEELHOUSE)" $(WANTED)
	@rm -f "$(WHEELHOUSE)"/steady_frames-*.whl
	@du -sh "$(WHEELHOUSE)"

edit: $(STAMP) ## edit the clip that ships (CLIP, SOURCE, TARGET and OUTPUT can be set)
	@mkdir -p "$(dir $(OUTPUT))"
	$(RUN) -m course edit "$(CLIP)" --source "$(SOURCE)" --target "$(TARGET)" \
	    --output "$(OUTPUT)" $(if $(filter file,$(origin OUTPUT)),--overwrite)

lab: $(STAMP) ## open JupyterLab on the first lesson
	$(RUN) -m jupyterlab --ServerApp.root_dir=. \
	    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

# A process on each core with one thread: threads of several processes would wait for each other.
test: export OMP_NUM_THREADS = 1
test: export HF_HUB_OFFLINE = 1
test: export TRANSFORMERS_OFFLINE = 1
test: $(STAMP) ## run the tests and every notebook, offline, a process on each core
	$(RUN) -m pytest -n $(WORKERS) --dist loadfile --nbmake --durations=60 --durations-min=10 \
	    tests notebooks solutions

lint: $(STAMP) ## check style and format with ruff
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

notebooks: $(STAMP) ## write notebooks/ and solutions/ from lessons/, and the sheets of teaching/
	$(RUN) -m classroom build
	$(RUN) -m classroom teaching

teaching: $(STAMP) ## write the sheets for teachers from lessons/ and teaching/plans.toml
	$(RUN) -m classroom teaching

class: $(STAMP) ## write the notebooks of one plan, and a zip, to build/class/ (PLAN can be set)
	$(RUN) -m classroom teaching --notebooks "$(PLAN)"

# make site ONLY="01 02" runs these lessons; the others show their text and code.
site: export HF_HUB_OFFLINE = 1
site: export TRANSFORMERS_OFFLINE = 1
site: $(STAMP) ## make the site in build/site/html (ONLY names lessons; the first time takes minutes)
	$(RUN) -m classroom site $(if $(ONLY),--only $(ONLY))

# What ran for the site is not run again. npm fetches reveal.js once, into build/npm.
slides: export HF_HUB_OFFLINE = 1
slides: export TRANSFORMERS_OFFLINE = 1
slides: $(STAMP) ## make slides of the lessons in build/slides (ONLY names lessons; needs npm once)
	$(RUN) -m classroom slides $(if $(ONLY),--only $(ONLY))

measure: $(STAMP) ## run the lessons and write the seconds and memory that their first cells tell
	$(RUN) -m classroom build --measure $(LESSONS)

bench: $(STAMP) ## measure the figures that the README quotes (hours)
	@set -e; for name in $(BENCHMARKS); do \
	    echo "== python -m benchmarks.$$name"; $(RUN) -m "benchmarks.$$name"; done

train: $(STAMP) ## train the embedded model again, in runs/ (hours; it resumes)
	$(RUN) -m training

# A fresh environment takes the newest release of every direct dependency, torch excepted. The
# comments at the head of the lock file stay. The build suffix of torch (+cpu) goes, and so do the
# CUDA packages, which belong to one build of torch: pip adds them where that build is installed.
update: ## renew requirements.lock with the newest versions (torch stays unless TORCH is set)
	@$(call check_python)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; new="$$folder/lock"; \
	"$(PYTHON)" -m venv "$$folder/venv" || { $(call venv_help); }; \
	"$$folder/venv/bin/python" $(PIP) install --upgrade setuptools; \
	"$$folder/venv/bin/python" $(PIP) install "torch==$(TORCH)" -e ".[lessons,site,dev]"; \
	"$$folder/venv/bin/python" $(PIP) freeze --all --exclude-editable >"$$folder/all"; \
	sed -n '/^#/p' requirements.lock >"$$new"; \
	sed -e '/^#/d' -e '/^pip==/d' -e '/^wheel==/d' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton==/d' \
	    -e 's/^\(torch==[^+]*\)+.*/\1/' "$$folder/all" | LC_ALL=C sort -f >>"$$new"; \
	diff requirements.lock "$$new" || true; \
	cp "$$new" requirements.lock
	@echo "requirements.lock is renewed: run make test, then commit it."

# The second target of continuous integration: what will break soon, without touching .venv.
canary: export OMP_NUM_THREADS = 1
canary: export HF_HUB_OFFLINE = 1
canary: export TRANSFORMERS_OFFLINE = 1
canary: ## run the tests on the newest versions of everything
	@$(call check_python)
	rm -rf $(NEWEST)
	@"$(PYTHON)" -m venv $(NEWEST) || { $(call venv_help); }
	$(NEWEST)/bin/python $(PIP) install -e ".[lessons,site,dev]"
	$(NEWEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile --nbmake tests notebooks solutions

clean: ## remove caches, builds and outputs (.venv and runs/ stay)
	rm -rf outputs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name .venv -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	    -prune -exec rm -rf {} +

# pip is left as the venv brings it; setuptools comes from the lock, hence no build isolation.
$(STAMP): requirements.lock pyproject.toml
	@$(call check_python)
	@test -x $(RUN) && $(RUN) -c 'import pip' 2>/dev/null || "$(PYTHON)" -m venv $(VENV) || \
	    { rm -rf $(VENV); $(call venv_help); }
	@echo "Setting up $(VENV). This happens once and takes some minutes."
	$(RUN) $(PIP) install $(FROM) $(if $(LEARNER),-c requirements.lock setuptools,-r requirements.lock)
	$(RUN) $(PIP) install $(FROM) --no-build-isolation \
	    $(if $(LEARNER),-c requirements.lock -e ".[lessons]",--no-deps -e .)
	$(if $(LEARNER),$(VENV)/bin/jupyter labextension disable --level=sys_prefix @jupyter/nbgrader)
	@touch $@

define check_python
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
    echo "'$(PYTHON)' is missing or older than Python 3.11." >&2; \
    echo "Install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; \
    exit 1; }
endef

define venv_help
echo "'$(PYTHON) -m venv' failed; pip or venv is missing, or the disk is full." >&2; \
echo "On Debian and Ubuntu: sudo apt install python3-venv" >&2; \
exit 1
endef
