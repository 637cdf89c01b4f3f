# Everything one does with this project. `make` or `make help` lists the targets.

PYTHON ?= python3
VENV   := .venv/bin
RUN    := $(VENV)/python -m
CODE   := libs services gateway deploy/dev tests

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

.PHONY: help setup up down status logs demo audit config-export config-import replay refill replay-dlq dead-letters \
        rebuild what-if \
        test check unit integration faults attacks simulate simulate-mutations bench lint types imports generated \
        format proto schemas catalogue locks image e2e helm

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run it
setup: ## install what is missing: Python packages, libraries of mongod, browser applications
	@$(PYTHON) -m deploy.dev.setup

up: setup ## start MongoDB, a broker, all services and the gateway, REPLICAS=2 of each; print where to look
	@$(if $(REPLICAS),TRUNKLINE_LOCAL_REPLICAS=$(REPLICAS)) $(RUN) deploy.dev up

down: ## stop what `make up` started; the data stays
	@$(RUN) deploy.dev down

status: ## show every process: pid, state, uptime, restarts, health
	@$(RUN) deploy.dev status

logs: ## show the logs: NAME=routing for one process, FOLLOW=1 to go on showing
	@$(RUN) deploy.dev logs $(NAME) $(if $(FOLLOW),--follow)

demo: setup ## two hours of business by simulated customers and agents, counted twice: PACE=60
	@$(RUN) deploy.dev.demo $(if $(PACE),--pace $(PACE))

audit: ## say whether every contact is accounted for: TENANT=demo; ends with 1 if a rule is broken
	@$(RUN) deploy.dev.audit $(if $(TENANT),--tenant "$(TENANT)") $(if $(URL),--url "$(URL)")

replay: setup ## publish a call log as events: CALLS=calls.tsv MAPPING=mapping.yaml OPTIONS="--speed 60"
	@$(RUN) services.channels.call_log "$(CALLS)" $(if $(MAPPING),--mapping "$(MAPPING)") $(OPTIONS)

config-export: ## write what is configured for routing into a file: TENANT=demo FILE=routing.yaml
	@$(RUN) deploy.dev.configuration export "$(FILE)" $(if $(TENANT),--tenant "$(TENANT)") $(if $(URL),--url "$(URL)")

config-import: ## take such a file over, or say what it changes: TENANT=demo FILE=routing.yaml DRY_RUN=1 PRUNE=1
	@$(RUN) deploy.dev.configuration import "$(FILE)" $(if $(TENANT),--tenant "$(TENANT)") \
	  $(if $(URL),--url "$(URL)") $(if $(DRY_RUN),--dry-run) $(if $(PRUNE),--prune)

refill: setup ## write archived events into empty topics: FROM=file:///archive TO=host:9092
	@$(RUN) services.analytics.refill $(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)")

replay-dlq: setup ## send open dead letters to their topic, once: TOPIC=trunkline.queue REASON=...
	@$(RUN) deploy.dev run services.repair.command replay --topic "$(TOPIC)" $(if $(REASON),--reason "$(REASON)")

rebuild: setup ## compute projections anew from the topics, while their service runs: SERVICE=analytics FORCE=1
	@$(RUN) deploy.dev run services.rebuild "$(SERVICE)" $(if $(FORCE),--force) $(if $(ARCHIVE),--archive)

dead-letters: setup ## list records that were set aside: TOPIC=trunkline.queue REASON=... STATUS=open
	@$(RUN) deploy.dev run services.repair.command list $(if $(TOPIC),--topic "$(TOPIC)") \
	  $(if $(REASON),--reason "$(REASON)") $(if $(STATUS),--status "$(STATUS)")

what-if: setup ## play a day as it is, and changed: QUESTION=question.yaml OUT=report.json TENANT=demo EVENTS=file
	@$(RUN) deploy.dev run services.routing.whatif "$(QUESTION)" $(if $(OUT),--out "$(OUT)") \
	  $(if $(TENANT),--tenant "$(TENANT)") $(if $(EVENTS),--events "$(EVENTS)")

##@ Check it
test: setup ## everything: check, then the tests that need real servers (started on free ports)
	@$(MAKE) check
	@$(MAKE) integration

check: lint types imports generated unit ## all that needs no server: what CI runs first

unit: ## tests without servers
	@echo "== unit tests"
	@$(RUN) pytest -q -m "not real" -n 2 --dist loadfile

integration: ## tests with a real MongoDB, broker, object store and the real services
	@echo "== tests with real servers"
	@$(RUN) pytest -q -m real  # one after the other: each starts servers and processes that want both cores

faults: setup ## every fault on the real parts, checked: ONLY=two_owners SEED=1 ROUNDS=1 SHORT=1
	@$(RUN) tests.faults $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(SHORT),--short)

attacks: setup ## attack every route, socket and RPC at length: EXAMPLES=200 SEED=1
	@ATTACK_EXAMPLES=$(or $(EXAMPLES),200) ATTACK_SEED=$(or $(SEED),1) $(RUN) pytest -q -m real tests/attacks

lint: ## format and style
	@echo "== format and style"
	@$(VENV)/ruff format --quiet --check . || { $(VENV)/ruff format --diff . ; exit 1; }
	@$(VENV)/ruff check --quiet .

types: ## types, strictly
	@echo "== types"
	@$(VENV)/mypy --strict $(CODE)

imports: ## who may import whom
	@echo "== import rules"
	@$(VENV)/lint-imports --no-logo --cache-dir .cache/import-linter

generated: ## schemas, catalogue and stubs are those of their sources
	@echo "== generated files"
	@$(RUN) libs.events.export --check
	@$(RUN) deploy.dev.protos --check
	@$(RUN) gateway.openapi --check
	@$(RUN) gateway.roles --check

simulate: setup ## whole days of the platform on a virtual clock, under faults: SEEDS=1-5000 BUDGET=60 MUTATION=name
	@$(RUN) tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(BUDGET),--budget $(BUDGET)) \
	  $(if $(JOBS),--jobs $(JOBS)) $(if $(MUTATION),--mutation $(MUTATION)) $(if $(HISTORY),--history $(HISTORY))

simulate-mutations: setup ## plant each known bug and show the seed that finds it
	@$(RUN) tests.simulation --mutations

bench: setup ## measure against the simplest code that could do it: ONLY=G1,G2
	@$(RUN) bench $(if $(ONLY),--only $(ONLY))

growth: setup ## how costs grow with partitions, tenants and the journal: LINES=1000000
	@$(RUN) bench.growth $(if $(LINES),--lines $(LINES))

e2e: setup ## the browser applications, through a browser
	@$(RUN) pytest -q -m e2e tests/e2e

helm: setup ## lint, render and validate the Helm chart
	@$(RUN) pytest -q tests/deploy

##@ Change it
format: ## format the code and repair what can be repaired
	@$(VENV)/ruff check --quiet --fix . ; $(VENV)/ruff format .

proto: ## generate the gRPC stubs from proto/
	@$(RUN) deploy.dev.protos

schemas: ## generate schemas, catalogue and docs/events.md from libs/events
	@$(RUN) libs.events.export

catalogue: schemas ## the same, by the name of its best known part

locks: ## resolve the dependencies of pyproject.toml anew
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url pyproject.toml --group dev -o requirements-dev.lock

image: ## build the container image: TAG=trunkline:dev
	docker build --tag $(if $(TAG),$(TAG),trunkline:dev) .
