# SPDX-License-Identifier: GPL-2.0-only
#
# The test VM: what boots, and the targets that boot it.

# Boots of "make test", in this order. One more: vm/boots/NAME.boot and its name here.
BOOTS := base warn kunit main npt0 iommufd vfio-intel
ifeq ($(FLAVOUR),)
# A choice of them, on the debug kernel. With DEBUG=1 all run there.
BOOTS += debug
endif
VM := $(B)/vm

.PHONY: initramfs test demo kselftest kunit vm-shell bench golden

$(VM)/init: $(wildcard vm/init/*.c vm/init/*.h)
	@mkdir -p $(VM)
	@gcc -static -O2 -g -Wall -Wextra -Werror -o $@.tmp vm/init/*.c
	@mv $@.tmp $@

# T may name a boot that is always on the debug kernel.
WITH_DEBUG_KERNEL := $(if $(FLAVOUR)$(filter debug debug/%,$(T)),debug-kernel)

initramfs: kernel selftests vmm $(VM)/init ## root file system of the test VM
	@vm/initramfs.sh

test: initramfs debug-kernel ## host tests and all boots; last line: N passed, N failed, N skipped
	@FLAVOUR=$(FLAVOUR) vm/test.sh $(BOOTS)

kselftest: initramfs $(WITH_DEBUG_KERNEL) ## T=name: some in-VM tests, KTAP on stdout (T=dmabuf: our KVM selftests, boot main)
	@FLAVOUR=$(FLAVOUR) vm/kselftest.sh '$(T)' $(BOOTS)

kunit: initramfs $(WITH_DEBUG_KERNEL) ## KUnit suites of the kernel in the VM, KTAP on stdout
	@FLAVOUR=$(FLAVOUR) vm/kselftest.sh kunit $(BOOTS)

demo: ## a Linux guest whose RAM is a dma-buf; last line: demo: PASS
	@$(MAKE) initramfs $(WITH_DEBUG_KERNEL) || { echo 'demo: FAIL: the set-up failed, see above'; exit 1; }
	@FLAVOUR=$(FLAVOUR) vm/demo.sh

vm-shell: initramfs $(WITH_DEBUG_KERNEL) ## a prompt in the test VM
	@echo 'A shell in the VM follows. Leave with "exit", or Ctrl-A X to stop QEMU.'
	@FLAVOUR=$(FLAVOUR) exec vm/run.sh shell

bench: initramfs debug-kernel stock-kernel ## instructions per page, and contention, into build/bench-<arch>.json
	@vm/bench.sh

golden: stage $(VM)/init ## does the judge see red where it must? (part of make check)
	@vm/results.py --kunit $(B)/pristine/tools/testing/kunit --golden $(VM)/init
