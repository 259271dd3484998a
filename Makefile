# Every target does its own set-up; a second run does no work twice. `make help` lists them.
# Which Python 3.11 environments are made of: PYTHON=/path/to/it, or what deploy/python.sh finds.
PYTHON ?=
CONFIG ?= examples/zoo.yaml
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Other people's harnesses, in an environment of their own.
HARNESS := .venv-harness
HARNESS_LOCK := deploy/locks/harness.txt
# Other people's gateways, which ours is compared with.
GATEWAYS := .venv-gateways
GATEWAYS_LOCK := deploy/locks/gateways.txt
# What checks deploy/: linters, a renderer of charts, a reader of compose files, a balancer, SBOMs.
TOOLS := .venv-tools
TOOLS_LOCK := deploy/locks/tools.txt
# The engine: CUDA where an NVIDIA GPU answers, else CPU.
ENGINE ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
LOCK := deploy/locks/$(ENGINE).txt
REAL_TASKS := -t geography -t translation -t examples/real/tasks

.PHONY: help setup redis chromium demo serve eval harness gateways tools image sbom real demo-real bench bench-gateway bench-swap bench-batch bench-slot bench-fusion bench-panel gpu-check zoo profile test test-fast test-real check fmt lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv from the pinned lock (TORCH_INDEX=URL where pip finds no torch)

$(READY): $(LOCK) pyproject.toml deploy/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" LOCK="$(LOCK)" TORCH_INDEX="$(TORCH_INDEX)" sh deploy/setup.sh
	@touch $@

demo: $(READY) ## the main job: route held-out questions over the zoo, print one table
	@$(BIN)/coterie demo --config $(CONFIG)

real: $(READY) ## fetch, convert and check SmolLM2-135M-Instruct (93 MB), for examples/real.yaml
	@$(BIN)/python -m experts.real

harness: $(HARNESS)/.ready ## install lm-evaluation-harness and inspect_ai into .venv-harness, for their tests

$(HARNESS)/.ready: $(HARNESS_LOCK) deploy/setup-harness.sh
	@NAME=harness PYTHON="$(PYTHON)" VENV="$(HARNESS)" LOCK="$(HARNESS_LOCK)" sh deploy/setup-harness.sh
	@touch $@

gateways: $(GATEWAYS)/.ready ## install LiteLLM, smg and vllm-router into .venv-gateways, for bench-gateway

$(GATEWAYS)/.ready: $(GATEWAYS_LOCK) deploy/setup-harness.sh
	@NAME=gateways PYTHON="$(PYTHON)" VENV="$(GATEWAYS)" LOCK="$(GATEWAYS_LOCK)" sh deploy/setup-harness.sh
	@touch $@

tools: $(TOOLS)/.ready ## install what checks deploy/ into .venv-tools: hadolint, helm, caddy, cyclonedx

$(TOOLS)/.ready: $(TOOLS_LOCK) deploy/setup-harness.sh
	@NAME=tools PYTHON="$(PYTHON)" VENV="$(TOOLS)" LOCK="$(TOOLS_LOCK)" sh deploy/setup-harness.sh
	@touch $@

image: ## build a container image (IMAGE_ENGINE=cpu|cuda), with docker, podman or buildah
	@sh deploy/docker/image.sh $(ARGS)

sbom: tools ## write what an image holds to out/sbom/, as CycloneDX, from the locks
	@$(TOOLS)/bin/python deploy/sbom.py

demo-real: real ## the same table for a real model, three adapters on it and two specialists
	@$(BIN)/coterie demo --config examples/real.yaml --questions 60 $(REAL_TASKS)

serve: $(READY) ## start the service on CONFIG
	@$(BIN)/coterie serve --config $(CONFIG)

eval: $(READY) ## accuracy of every expert on every skill
	@$(BIN)/coterie zoo report --config $(CONFIG)

bench: $(READY) ## the gateway beside the expert's own endpoint, side by side
	@$(BIN)/coterie bench --config $(CONFIG)

bench-gateway: $(READY) gateways ## the gateway beside LiteLLM, smg and vllm-router (ARGS=--quick: a minute)
	@$(BIN)/coterie bench-gateway $(ARGS)

bench-swap: $(READY) ## more experts than memory: ours, first come + LRU, a load per request
	@$(BIN)/coterie bench-swap --config $(CONFIG)

bench-batch: $(READY) ## a file of 10,000 lines, beside the bare engines and beside live requests
	@$(BIN)/coterie bench-batch --config $(CONFIG)

bench-fusion: $(READY) ## composite models beside their members, self-contrast beside greedy
	@$(BIN)/coterie bench-fusion --config $(CONFIG)

bench-panel: $(READY) ## three experts as a panel beside the three of them alone
	@$(BIN)/coterie bench-panel --config $(CONFIG)

gpu-check: $(READY) ## is this GPU all right, and what does a swap cost on it? (ARGS=--cpu rehearses)
	@$(BIN)/python -m deploy.gpu_check $(ARGS)

profile: $(READY) ## ask every expert every probe question, write the outcome table
	@$(BIN)/coterie profile --config $(CONFIG)

zoo: $(READY) ## retrain every specialist from its seed
	@$(BIN)/python -m experts.zoo

test: $(READY) redis chromium ## all tests, the real engine included (ARGS=PATH: only those)
ifeq ($(ARGS),)
	@$(BIN)/python -m pytest -q -n 2 -m "not e2e"
	@$(BIN)/python -m pytest -q -m e2e
else
	@$(BIN)/python -m pytest -q $(ARGS)
endif

test-fast: $(READY) ## the tests without the real engine, Ray and trainings: about a minute
	@$(BIN)/python -m pytest -q -n 2 -m "not e2e and not slow" --hypothesis-profile=quick --ignore=tests/e2e $(ARGS)

test-real: real redis ## the tests on the real model that `make real` fetches
	@$(BIN)/python -m pytest -q -m real $(ARGS)

redis:
	@command -v redis-server >/dev/null || sh deploy/install-redis.sh

chromium: ## install Debian's chromium, for the tests of the console
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || sh deploy/install-chromium.sh

check: $(READY) ## formatting, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(READY) ## format and fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(READY) ## write docs/reference/ from the schema and the commands
	@$(BIN)/python -m evals.cli.reference.docs

lock: ## resolve the locks again (cpu and cuda), from pyproject.toml
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" sh deploy/lock.sh

clean: ## remove what the targets made
	@rm -rf $(VENV) $(HARNESS) $(GATEWAYS) $(TOOLS) out dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
