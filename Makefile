# `make serve` installs and starts the service with the bundled models; `make test` installs what the tests need and runs
# them all. Both do their work once: a second call finds everything installed.

PYTHON  ?= python3
VENV    ?= .venv
PEERS   ?= .venv-peers
BIN     := $(VENV)/bin
PORT    ?= 8000
JOBS    ?= logical
GPU     ?= docs/performance
RESULTS ?= runs
DATA    ?= $(shell dirname $$(dpkg -L dataset-fashion-mnist 2>/dev/null | grep train-images) 2>/dev/null)

.PHONY: help serve test test-gpu test-container lint bench bench-gpu bench-peers bench-faults bench-chaos bench-soak bench-drain bench-ray dashboard dashboard-picture kubernetes train clean
.DEFAULT_GOAL := help

help:
	@echo "make serve           install, and start the service on port $(PORT) with the bundled models"
	@echo "make test            install what the tests need, and run them all"
	@echo "make test-gpu        run the tests that need a CUDA device"
	@echo "make test-container  build the image and run it, as root, with buildah and debootstrap"
	@echo "make lint            linter, formatter and type checker"
	@echo "make bench           measure the engine on this machine"
	@echo "make bench-gpu       run the tests that need a CUDA device, then measure the engine on it"
	@echo "make bench-peers     compare with other servers on this machine"
	@echo "make bench-faults    hurt a running service, and count what becomes of its requests"
	@echo "make bench-chaos     do everything at once to a busy service for ten minutes, and print what it survived"
	@echo "make bench-soak      keep a service busy for half an hour, and see whether its processes grow"
	@echo "make bench-drain     end a busy service by SIGTERM, twenty times"
	@echo "make bench-ray       measure the service on a local cluster of Ray, and write docs/scaling.md's tables"
	@echo "make dashboard       write Grafana's dashboard after a change; DOCS=URL says where its runbook is to be read"
	@echo "make dashboard-picture  stage incidents, and draw what the dashboard shows of them"
	@echo "make kubernetes      write Prometheus' rules for Kubernetes after a change"
	@echo "make train           train the bundled Fashion-MNIST model again"
	@echo "make clean           remove the virtual environment and caches"

serve: $(VENV)/.serve
	$(BIN)/anytime serve --port $(PORT)

test: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term

test-gpu: $(VENV)/.dev
	$(BIN)/pytest -m gpu tests/gpu

test-container: $(VENV)/.dev
	$(BIN)/pytest -m container tests/container

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.serve
	$(BIN)/anytime bench engine --bundle models/pretrained/fashion-mnist

# Everything that a CUDA device is needed for, into files: see tests/gpu/README.md.
bench-gpu: test-gpu
	mkdir -p $(GPU)
	$(BIN)/anytime bench engine --device cuda --bundle models/pretrained/fashion-mnist \
		--json $(GPU)/engine-gpu.json --profile $(GPU)/engine-gpu-trace.json
	$(BIN)/anytime bundle random --recipe cifar10 --out runs/cifar10-random
	$(BIN)/anytime bench engine --device cuda --bundle runs/cifar10-random --json $(GPU)/engine-cifar10-gpu.json

bench-peers: $(PEERS)/.peers
	PYTHONPATH=tests $(PEERS)/bin/python -m bench.peers --json peers.json --markdown peers.md

bench-faults: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m bench.faults

# MINUTES=1 or TIMES=5 for less of it; RESULTS=docs/performance to keep the numbers.
bench-chaos: $(VENV)/.dev
	mkdir -p $(RESULTS)
	PYTHONPATH=tests $(BIN)/python -m bench.chaos --minutes $(or $(MINUTES),10) --executor $(or $(EXECUTOR),auto) \
		--json $(RESULTS)/chaos.json --log $(RESULTS)/chaos.log

bench-soak: $(VENV)/.dev
	mkdir -p $(RESULTS)
	PYTHONPATH=tests $(BIN)/python -m bench.soak --minutes $(or $(MINUTES),30) --json $(RESULTS)/soak.json

bench-drain: $(VENV)/.dev
	mkdir -p $(RESULTS)
	PYTHONPATH=tests $(BIN)/python -m bench.drain --times $(or $(TIMES),20) --json $(RESULTS)/drain.json

bench-ray: $(VENV)/.dev
	PYTHONPATH=tests:. $(BIN)/python -m bench.ray

dashboard:
	$(PYTHON) -m deploy.grafana $(if $(DOCS),--docs $(DOCS))

dashboard-picture: $(VENV)/.dev
	PYTHONPATH=tests:. $(BIN)/python -m bench.incidents

kubernetes:
	$(PYTHON) -m deploy.kubernetes

train: $(VENV)/.dev
	$(BIN)/anytime train fashion-mnist --data $(DATA) --out runs/fashion-mnist

clean:
	rm -rf $(VENV) $(PEERS) models/native/*.so build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

NATIVE := $(wildcard models/native/*.cpp models/native/*.h models/native/*.inc)

# The stamps record what was installed last, so that nothing is asked of the network until the pins or needs change, and
# nothing is compiled until the sources do.
$(VENV)/.serve: $(VENV)/bin/python pyproject.toml constraints.txt $(NATIVE)
	$(BIN)/python -m pip install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt $(NATIVE) | $(VENV)/.system
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.serve

# What is compared runs in an environment of its own, as its users would install it: without what only tests need.
$(PEERS)/.peers: tests/bench/peers/requirements.txt pyproject.toml constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -c constraints.txt -e . -r tests/bench/peers/requirements.txt
	@touch $@

# The tests use real data and a real Prometheus, which Debian and Ubuntu package.
$(VENV)/.system: deploy/install-test-packages.sh | $(VENV)/bin/python
	sh deploy/install-test-packages.sh
	@touch $@
