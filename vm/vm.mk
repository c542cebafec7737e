# SPDX-License-Identifier: GPL-2.0-only
#
# The test VM: what boots, and the targets that boot it.

# Boots of "make test", in this order. One more: vm/boots/NAME.boot and its name here.
BOOTS := base warn main npt0
VM := $(B)/vm

.PHONY: initramfs test demo kselftest vm-shell bench golden

$(VM)/init: $(wildcard vm/init/*.c vm/init/*.h)
	@mkdir -p $(VM)
	@gcc -static -O2 -g -Wall -Wextra -Werror -o $@.tmp vm/init/*.c
	@mv $@.tmp $@

initramfs: kernel selftests vmm $(VM)/init ## root file system of the test VM
	@vm/initramfs.sh

test: initramfs ## every test there is; last line: N passed, N failed, N skipped
	@vm/test.sh $(BOOTS)

kselftest: initramfs ## T=name: some in-VM tests, KTAP on stdout (T=dmabuf: all of ours)
	@vm/kselftest.sh '$(T)' $(BOOTS)

demo: ## a Linux guest whose RAM is a dma-buf; last line: demo: PASS
	@$(MAKE) initramfs || { echo 'demo: FAIL: the set-up failed, see above'; exit 1; }
	@vm/demo.sh

vm-shell: initramfs ## a prompt in the test VM
	@echo 'A shell in the VM follows. Leave with "exit", or Ctrl-A X to stop QEMU.'
	@exec vm/run.sh shell

bench: initramfs ## instructions per page, into build/bench-<arch>.json
	@vm/bench.sh

golden: stage $(VM)/init ## does the judge see red where it must? (part of make check)
	@vm/results.py --kunit $(B)/pristine/tools/testing/kunit --golden $(VM)/init
