# SPDX-License-Identifier: Apache-2.0
# Every way to build, try and check Podwright. `make help` lists them.
PYTHON ?= python3
# Ansible refuses to start without a UTF-8 locale; C.UTF-8 is on every glibc and musl system.
export LC_ALL := C.UTF-8

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## .venv with both distributions, the collection linked in, and what the system lacks (as root)
	@$(PYTHON) tools/setup.py

demo: setup ## a pod of two containers through Ansible, twice (as root); it keeps running
	@.venv/bin/python tools/demo.py

demo-clean: ## end the demo's pod
	@.venv/bin/podwright delete pod hello --grace-period 0

test: ## everything CI runs (as root)
	@$(PYTHON) tools/setup.py --peers
	@.venv/bin/python tools/check.py

lint: setup ## formatting, types, imports, the C compiler's warnings
	@.venv/bin/python tools/check.py lint

check-fast: setup ## lint and the tests that need no privileges
	@.venv/bin/python tools/check.py lint core

benchmark: ## a pod and a pull beside podman's, an OCI container beside runc's (as root)
	@$(PYTHON) tools/setup.py --peers
	@.venv/bin/python benchmarks/pod_up.py
	@.venv/bin/python benchmarks/oci_run.py
	@.venv/bin/python benchmarks/pull.py

conformance: ## Pods, and OCI's validation programs, as docs/pod-conformance.md and oci-conformance.md (as root)
	@$(PYTHON) tools/setup.py --peers
	@.venv/bin/python tests/conformance/pods/pod_table.py
	@.venv/bin/python tests/conformance/oci/table.py

kubernetes: ## a real API server's answers to the corpus of Pods, recorded anew, and docs/kubernetes.md
	@$(PYTHON) tools/setup.py --recorder
	@.venv/bin/python tests/conformance/kubernetes/record.py
	@.venv/bin/python tests/conformance/kubernetes/page.py

format: setup ## let ruff format the Python files
	@.venv/bin/ruff format -q . && .venv/bin/ruff check -q --fix .

lock: ## write requirements/ci.txt anew from requirements/ci.in and the two distributions
	@$(PYTHON) tools/lock.py

clean: ## remove what the targets above made in this directory
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .ansible
	rm -rf runtime_core/podinit/build runtime_core/podwright/_bin

.PHONY: help setup demo demo-clean test lint check-fast benchmark conformance kubernetes format lock clean
