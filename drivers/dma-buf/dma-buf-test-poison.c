// SPDX-License-Identifier: GPL-2.0-only
/*
 * Have memory fail that user space cannot name by an address.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "dma-buf-test.h"

/**
 * dma_buf_test_poison - have a page of a file fail
 * @arg: of DMA_BUF_TEST_POISON
 *
 * Return: 0 or an error, see &struct dma_buf_test_poison.
 */
int dma_buf_test_poison(void __user *arg)
{
	struct dma_buf_test_poison poison;
	unsigned long pfn;
	struct folio *folio;
	pgoff_t index;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		return -EOPNOTSUPP;
	if (copy_from_user(&poison, arg, sizeof(poison)))
		return -EFAULT;
	if (poison.__reserved)
		return -EINVAL;

	CLASS(fd, f)(poison.fd);
	if (fd_empty(f))
		return -EBADF;

	index = poison.offset >> PAGE_SHIFT;
	folio = filemap_get_folio(fd_file(f)->f_mapping, index);
	if (IS_ERR(folio))
		return PTR_ERR(folio);

	/* The reference goes with the page. */
	pfn = page_to_pfn(folio_file_page(folio, index));
	return memory_failure(pfn, MF_COUNT_INCREASED | MF_SW_SIMULATED);
}
