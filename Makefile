# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Needs Python 3.11 or later, make and git; everything else is set up below .venv and .build.
.DEFAULT_GOAL := help
.PHONY: matrix help setup setup-dev demo demo-clean tutorial tutorial-clean docs test corpus faults mutants bench coverage clean

help:
	@echo "make setup       .venv with Ansible, in which 'ansible-playbook prepare_features.yml -i …' works"
	@echo "make demo        the main job on a sample host in a folder of this machine"
	@echo "make demo-clean  remove the sample host"
	@echo "make tutorial    the tutorial's two sample hosts, in containers (make tutorial-clean removes them)"
	@echo "make test        every check that CI runs (installs Docker's engine as root on Debian, else says what is missing)"
	@echo "make docs        the documentation site, in .build/docs/html"
	@echo "make matrix      every version that docs/versions.md names: fresh clones per Python, the main job per ansible-core"
	@echo "make corpus      20,000 archives against numpy, and 1,000 random hosts (test has fewer)"
	@echo "make faults      kills, errors, full disks, races and hostile hosts, all of them (test has a part)"
	@echo "make coverage    the lines of plugins/ that the tests run through, on the controller and on the hosts"
	@echo "make mutants     changes what decides, one thing at a time: do the unit tests notice?"
	@echo "make bench       the benchmarks"
	@echo "make clean       remove .venv and .build"

setup:
	@$(if $(filter setup,$(MAKECMDGOALS)),TRAINPREP_SETUP_SPEAKS=1) scripts/setup run

setup-dev:
	@scripts/setup dev

demo: setup
	@scripts/demo

demo-clean:
	@scripts/demo clean

tutorial: setup
	@PATH="$(CURDIR)/.venv/bin:$$PATH" python scripts/tutorial start

tutorial-clean:
	@.venv/bin/python scripts/tutorial clean

docs: setup-dev
	@scripts/docs

test: setup-dev
	@scripts/test

matrix: setup-dev
	@scripts/test matrix

corpus: setup-dev
	@.venv/bin/pytest tests/corpus tests/property --corpus 20000 --runs 1000

faults: setup-dev
	@scripts/faults

mutants: setup-dev
	@.venv/bin/python scripts/mutants.py

bench: setup-dev
	@PATH="$(CURDIR)/.venv/bin:$$PATH" benchmarks/run

coverage: setup-dev
	@scripts/coverage

clean:
	rm -rf .venv .build
