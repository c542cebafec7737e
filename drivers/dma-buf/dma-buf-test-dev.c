// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test exporter's device, /dev/dma_buf_test.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "dma-buf-test-priv.h"

static int dma_buf_test_ioctl_create(void __user *arg)
{
	struct dma_buf_test_create create;
	struct dma_buf *dmabuf;
	int ret;

	if (copy_from_user(&create, arg, sizeof(create)))
		return -EFAULT;

	create.fd = get_unused_fd_flags(create.fd_flags & O_CLOEXEC);
	if (create.fd < 0)
		return create.fd;

	dmabuf = dma_buf_test_export(&create);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}

	if (copy_to_user(arg, &create, sizeof(create))) {
		ret = -EFAULT;
		goto err_dmabuf;
	}

	fd_install(create.fd, dmabuf->file);
	return 0;

err_dmabuf:
	dma_buf_put(dmabuf);
err_fd:
	put_unused_fd(create.fd);
	return ret;
}

static int dma_buf_test_ioctl_op(void __user *arg)
{
	struct dma_buf_test_op op;
	struct dma_buf *dmabuf;
	int ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;

	dmabuf = dma_buf_get(op.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = dma_buf_test_do(dmabuf, &op);
	dma_buf_put(dmabuf);
	return ret;
}

static int dma_buf_test_ioctl_counters(void __user *arg)
{
	struct dma_buf_test_counters counters;
	struct dma_buf_test *buf;
	struct dma_buf *dmabuf;

	if (copy_from_user(&counters, arg, sizeof(counters)))
		return -EFAULT;
	if (counters.__reserved)
		return -EINVAL;

	dmabuf = dma_buf_get(counters.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	buf = dma_buf_test_of(dmabuf);
	if (IS_ERR(buf)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(buf);
	}

	dma_resv_lock(dmabuf->resv, NULL);
	counters.fills = buf->nr_fills;
	counters.extents = buf->nr_extents;
	counters.prepares = buf->nr_prepares;
	counters.invalidations = buf->nr_invalidations;
	counters.attachments = list_count_nodes(&dmabuf->attachments);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_put(dmabuf);

	return copy_to_user(arg, &counters, sizeof(counters)) ? -EFAULT : 0;
}

static struct miscdevice dma_buf_test_device;

static long dma_buf_test_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	switch (cmd) {
	case DMA_BUF_TEST_CREATE:
		return dma_buf_test_ioctl_create((void __user *)arg);
	case DMA_BUF_TEST_OP:
		return dma_buf_test_ioctl_op((void __user *)arg);
	case DMA_BUF_TEST_COUNTERS:
		return dma_buf_test_ioctl_counters((void __user *)arg);
	case DMA_BUF_TEST_IMPORT:
		return dma_buf_test_import(dma_buf_test_device.this_device,
					   (void __user *)arg);
	case DMA_BUF_TEST_POISON:
		return dma_buf_test_poison((void __user *)arg);
	}
	return -ENOTTY;
}

static const struct file_operations dma_buf_test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dma_buf_test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice dma_buf_test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dma_buf_test",
	.fops = &dma_buf_test_fops,
};

builtin_misc_device(dma_buf_test_device);
