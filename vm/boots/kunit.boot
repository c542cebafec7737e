# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
DESC="KUnit suites that are built into the kernel"
CMDLINE="kunit.enable=1"
TIMEOUT=120
# Suites by pattern; there must be one for each.
JOBS="
kunit/dma-buf	60	/bin/kunit.sh dma-buf-mapping dma-buf-sink dma-buf-invalidate
kunit/dma-buf-test	60	/bin/kunit.sh dma-buf-test
kunit/samples	60	/bin/kunit.sh dma_buf_sample_*
kunit/base	60	/bin/kunit.sh dma-buf-fence* dma-buf-resv
"
