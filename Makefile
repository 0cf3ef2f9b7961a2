# The table of contents: `make` lists every verb. People, hooks, CI and the documentation use these names.

# ENV chooses the configuration (environments/$(ENV).yaml); the address follows from it, or from EMULATOR=1 (a rehearsal).
ENV ?= local
TASK ?= vision
export ENV

# Without bytecode every import costs seconds; a Terraform configuration that does not exist stops Terraform.
unexport PYTHONDONTWRITEBYTECODE
ifneq ($(TF_CLI_CONFIG_FILE),)
ifeq ($(wildcard $(TF_CLI_CONFIG_FILE)),)
unexport TF_CLI_CONFIG_FILE
endif
endif

# The Python that sets up; everything else runs in .venv, whose tools come first on the path.
PYTHON := $(or $(PYTHON),$(shell for p in .venv/bin/python python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done))
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(CURDIR)/.playbook/uv/bin
PLAYBOOK := .venv/bin/python -m playbook
REACH := --env $(ENV) $(if $(EMULATOR),--emulator)
INSIDE := $(PLAYBOOK) run $(REACH) -- python
# A rehearsal plans and applies in folders of its own, so that it never takes the place of a plan that was reviewed.
REHEARSAL := $(if $(EMULATOR),--rehearsal --folder .playbook/rehearsal)

.DEFAULT_GOAL := help
.PHONY: help setup doctor loop test test-all verify lint format lock record schemas emulator bootstrap synth price preflight adopt plan diff keep drift deploy destroy restore release promote rollback releases sleep sweep train images compile bench clean

help: ## list the verbs
	@echo 'make VERB [ENV=local|dev|staging|prod] [EMULATOR=1] ...'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- start here

loop: setup ## infrastructure to served models in one command, on real data [DATA=folder|file.csv]
	@$(PLAYBOOK) loop $(REACH) $(if $(DATA),--data '$(DATA)')

train: setup ## the short loop of an ML engineer: train and evaluate from files [TASK=vision|nlp LIMIT=500 DATA=path]
	@python -m ml.train --task $(TASK) $(if $(LIMIT),--limit $(LIMIT)) $(if $(DATA),--data '$(DATA)')

emulator: setup ## the local Google Cloud in the foreground, with its console
	@exec $(PLAYBOOK) emulator start $(if $(PORT),--port $(PORT))

doctor: python ## what is there, what is missing, what that costs and how to get it
	@$(PYTHON) -m playbook doctor

setup: python ## packages, tools, providers and data; the other verbs do it by themselves
	@$(PYTHON) -m playbook setup

# --- infrastructure

bootstrap: setup ## what must exist before any stack: project, APIs, state bucket, who plans and applies
	@$(INSIDE) -m infra.terraform bootstrap --env $(ENV)

synth: setup ## every stack of every environment as Terraform JSON in cdktf.out
	@python -m infra.app

price: setup ## what the environment costs a month while nobody uses it
	@$(PLAYBOOK) price --env $(ENV)

preflight: setup ## what would stop an apply: APIs, permissions, organisation policies, quotas, service agents
	@$(PLAYBOOK) preflight $(REACH)

adopt: setup ## import blocks for what exists already, to be reviewed with the next plan
	@$(PLAYBOOK) adopt $(REACH)

plan: setup ## what an apply would change
	@$(INSIDE) -m infra.terraform plan --env $(ENV) $(REHEARSAL)

diff: setup ## the review of what an apply would do, in build/review/ENV [AGAINST=staging BASE=main STACK=data]
	@$(PLAYBOOK) review $(REACH) $(if $(AGAINST),--against $(AGAINST)) $(if $(BASE),--base $(BASE)) $(if $(STACK),--stack $(STACK))

keep: setup ## keep the plans that make diff has reviewed, for who approves and applies them
	@$(INSIDE) -m infra.terraform keep --env $(ENV) $(if $(EMULATOR),--folder .playbook/rehearsal)

drift: setup ## what runs otherwise than the state says, in build/drift/ENV, and who is past the approvals
	@$(PLAYBOOK) drift $(REACH)

deploy: setup ## apply the stacks (a protected environment applies approved plans only; a rehearsal plans first)
	@$(INSIDE) -m infra.terraform $(if $(EMULATOR),plan,bootstrap) --env $(ENV) $(REHEARSAL)
	@$(INSIDE) -m infra.terraform apply --env $(ENV) $(REHEARSAL)

destroy: setup ## remove what the stacks declare
	@$(INSIDE) -m infra.terraform destroy --env $(ENV) $(REHEARSAL)

restore: setup ## the generations of a stack's state, or one of them made the newest [STACK=serving GENERATION=N]
	@$(PLAYBOOK) restore $(REACH) $(if $(STACK),--stack $(STACK)) $(if $(GENERATION),--generation $(GENERATION))

sleep: setup ## undeploy models and stop workbenches until they are wanted again
	@$(PLAYBOOK) sleep $(REACH)

sweep: setup ## list what has outlived its ttl label and deployed models that serve nobody; DELETE=1 deletes it
	@$(PLAYBOOK) sweep $(REACH) $(if $(DELETE),--delete)

# --- releases

release: setup ## what was made in the environment becomes a release: the commit, or retrained models where code is promoted
	@$(PLAYBOOK) release $(REACH)

promote: setup ## the release that one environment runs goes on to the next, by digest [FROM=dev TO=staging]
	@$(PLAYBOOK) promote --from $(FROM) --to $(TO) $(if $(EMULATOR),--emulator)

rollback: setup ## the release before runs again [REASON='why']
	@$(PLAYBOOK) rollback $(REACH) --reason '$(REASON)'

releases: setup ## which release each environment runs, since when, and by whom
	@$(PLAYBOOK) releases $(REACH)

# --- machine learning

images: setup ## the container images of this source, built by Cloud Build unless they were
	@$(INSIDE) -m pipelines.images --env $(ENV)

compile: setup ## the training pipeline as a KFP specification in build/training.yaml
	@python -m pipelines.compile --env $(ENV)

bench: setup ## side-by-side benchmarks into build/bench
	@for benchmark in bench/*.py; do python -m bench.$$(basename $$benchmark .py) || exit 1; done

# --- quality

test: setup ## the tests that take seconds
	@pytest -m 'not long'

test-all: setup ## every test, and which of them take longest
	@pytest --durations=25 --durations-min=10

verify: setup ## the clients' calls on a real project, priced first and swept after; what passed is in evidence/ [YES=1 SELECT='storage or pubsub']
	@$(INSIDE) -m tests.contract.verify --env $(ENV) $(if $(YES),--yes) $(if $(SELECT),--select '$(SELECT)')

lint: setup ## ruff, mypy, tsc, generated files, policies over every stack
	ruff check --no-cache .
	ruff format --check .
	mypy .
	node node_modules/typescript/bin/tsc
	python -m environments.schemas --check
	python -m infra.schemas --check
	python -m releases.schemas --check
	python -m tests.contract.evidence --check
	python -m infra.policies.catalogue --check
	python -m ml.export.golden --check
	python -m infra.policies

format: setup ## mend what can be mended by itself
	ruff check --fix .
	ruff format .

record: setup ## what the google provider asks of Google for every stack, where it can be had; the tests replay it
	@python -m tests.infra.recording

schemas: setup ## what is generated: the JSON Schemas that editors use, the list of policies
	python -m environments.schemas
	python -m infra.schemas
	python -m releases.schemas
	python -m tests.contract.evidence
	python -m infra.policies.catalogue

EXPORT := uv export --quiet --format requirements-txt --no-emit-project
lock: setup ## resolve the packages anew and write the requirements*.lock files
	uv lock
	$(EXPORT) --all-groups --no-group workbench --no-group terraform --no-group node --no-group cdktn -o requirements.lock
	for group in serving training pipelines workbench; do $(EXPORT) --no-default-groups --group $$group -o cloudbuild/requirements-$$group.lock || exit 1; done
	$(EXPORT) --no-default-groups --group cdktn -o requirements-cdktn.lock
	echo cdktn-provider-google==21.1.0 | uv pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate - -o requirements-google8.lock
	for group in terraform node; do $(EXPORT) --only-group $$group -o requirements-$$group.lock || exit 1; done

clean: ## remove results and the local Google Cloud's state; packages, providers and data stay
	@rm -rf build cdktf.out .playbook/emulator .playbook/loop .playbook/rehearsal

.PHONY: python
python:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11, 3.12 or 3.13 is on the path, so nothing was set up. Install one, or name it: make PYTHON=/path/to/python3.12' >&2; exit 1; }
