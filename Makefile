# SPDX-License-Identifier: GPL-2.0-only
#
# One entry point for everything: `make help`.
#
# All targets are phony: each script finds out by itself, and fast, what there is
# to do. What takes long is shown while it runs; V=1 shows the commands.

ARCH ?= x86_64
V ?= 0
CACHE := $(or $(KDB_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kvm-dmabuf)
B := build/$(ARCH)
TREE := $(B)/tree
KOUT := $(B)/kernel
DEBUG ?= 0
# The kernel that boots: the normal one if empty, see set_flavour in scripts/lib.sh.
# Not exported: what runs in the VM is built beside the normal kernel.
override FLAVOUR := $(if $(filter-out 0,$(DEBUG)),debug)
unexport FLAVOUR
export ARCH V KERNEL_TARBALL

ifneq ($(ARCH),x86_64)
$(error ARCH=$(ARCH) is not supported, only ARCH=x86_64 is)
endif

MAKEFLAGS += --no-print-directory
# Steps are parallel inside. Side by side they would compete for the same cores.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help model docs build-users deps fetch stage config kernel debug-kernel stock-kernel headers selftests vmm check lint stat clean \
	hooks-list hooks-edit hooks-revert hooks-save compile_commands.json

help: ## this list
	@echo 'KVM guest memory from a dma-buf: make demo shows it, make test proves it.'
	@echo
	@cat $(MAKEFILE_LIST) | sed -n 's/^\([a-z_.-]*\):[^#]*## \(.*\)/  \1\t\2/p' | sort | expand -t 24
	@echo
	@echo '  V=1 shows commands. KERNEL_TARBALL=path builds on that linux-7.3.y tarball.'
	@echo '  DEBUG=1 has test, kselftest, demo and vm-shell boot the debug kernel.'
	@echo '  KDB_CACHE=dir moves the cache, now $(CACHE).'

deps: ## install missing Debian packages
	@scripts/deps.sh

fetch: deps ## base kernel source into the cache
	@scripts/fetch-kernel.sh

stage: fetch ## kernel tree with hooks and own files in build/<arch>/tree
	@scripts/stage.sh

config: stage ## kernel configuration from vm/config, checked
	@scripts/config.sh

kernel: config ## kernel image in build/<arch>/kernel
	@scripts/kernel.sh

debug-kernel: stage ## kernel that checks locks and memory, in build/<arch>-debug/kernel
	@FLAVOUR=debug scripts/config.sh
	@FLAVOUR=debug scripts/kernel.sh

stock-kernel: stage # without our hooks and files, for bench
	@FLAVOUR=stock scripts/config.sh
	@FLAVOUR=stock scripts/kernel.sh

headers: config ## UAPI headers in build/<arch>/headers
	@scripts/headers.sh

selftests: headers ## in-VM tests in build/<arch>/selftests
	@scripts/selftests.sh

vmm: headers ## sample VMM and its guest's init in build/<arch>/vmm
	@scripts/vmm.sh

check: stage ## host tests, checkpatch, kernel-doc, shell syntax; no kernel build
	@scripts/check.sh

lint: config ## sparse and W=1 on our objects and those our hooks touch
	@scripts/lint.sh

docs: stage ## pages of the kernel's documentation in build/docs
	@DOCS=1 scripts/deps.sh
	@scripts/docs.sh

build-users: initramfs ## does all that uses dma-buf build and load? two hours; D=files: less
	@D='$(D)' STEPS='$(STEPS)' scripts/build-users.sh

model: deps ## exhaustive model of faults, moves, slots and VM end (T=name: one run)
	@tools/verification/dma-buf/model.sh

stat: stage ## own lines, files touched by hooks, changed lines per hook
	@scripts/stat.sh

hooks-list: stage ## what each hook touches
	@scripts/hooks.sh list

hooks-edit: stage ## F=file: make a kernel file ready for editing, print where it is
	@scripts/hooks.sh edit '$(F)'

hooks-revert: ## F=file: drop edits that no hook holds
	@scripts/hooks.sh revert '$(F)'

hooks-save: ## write edits in build/<arch>/tree back to hooks/ (HOOK=NNNN-topic: to that one)
	@scripts/hooks.sh save '$(HOOK)'

compile_commands.json: kernel selftests vmm ## so that clangd opens our files in place
	@scripts/compile-commands.py

clean: ## remove build/; the cache stays
	@rm -rf build

-include vm/vm.mk
