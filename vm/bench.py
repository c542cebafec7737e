#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes a table and a JSON file of what the benchmark said in several boots.

Exit status: 0 if all targets are reached, 1 if one is not, or if there are no
figures to rely on: one is absent, or the boots do not agree.
"""

import argparse
import json
import os
import re
import sys

FIGURES = ('fault', 'prefault', 'delete')
KINDS = {
    'dmabuf.4k': 'udmabuf, a list item per page',
    'dmabuf_memfd.4k': 'udmabuf, one item over small folios',
    'guest_memfd.4k': 'guest_memfd, MMAP and INIT_SHARED',
    'gmem_dmabuf.4k': 'the same by its dma-buf',
    'anon.4k': 'anonymous',
    'dmabuf_mmap.4k': 'udmabuf of dmabuf.4k through its mmap',
    'dmabuf.2m': 'udmabuf over hugetlb',
    'anon.2m': 'anonymous THP',
}
# The same for devices.
IOAS_FIGURES = ('ioas_map', 'ioas_unmap')
IOAS_KINDS = {
    'dmabuf.4k': 'udmabuf, a list item per page',
    'dmabuf_memfd.4k': 'udmabuf, one item over small folios',
    'address.4k': 'the memfd below that, by address: pinned',
    'memfd.4k': 'the same by its fd: pinned',
    'dmabuf.2m': 'udmabuf over hugetlb',
    'address.2m': 'the memfd below that, by address: pinned',
    'memfd.2m': 'the same by its fd: pinned',
}
# What is not about pages of 4K, and what of.
OTHERS = {
    'attach.dmabuf': 'memslot of one page of a dma-buf, created and deleted',
    'attach.anon': 'the same of anonymous memory',
    'revoke.unmapped.4k': 'call: page of 4K with a slot, but not mapped',
    'revoke.unmapped.64m': 'call: the same of 64 MiB in extents of 4K',
    'revoke.4k': 'page of 4K that is mapped when it is revoked',
    'revoke.2m': 'block of 2M that is mapped when it is revoked',
    'refault.4k': 'page of 4K that the guest touches again after a move',
    'refault.2m': 'block of 2M that the guest touches again after a move',
    'punch.none': 'page of a PUNCH_HOLE of guest_memfd without a dma-buf',
    'punch.exported': 'the same with a dma-buf, nobody attached',
    'punch.attached': 'the same with a device attached, nothing mapped',
    'punch.mapped': 'the same with a device that has it all mapped',
    'punch.call.none': 'PUNCH_HOLE of one page without a dma-buf',
    'punch.call.mapped': 'the same with a device that has the page mapped',
    'gmem.export': 'export of 1 GiB of guest_memfd, and close of the dma-buf',
    'gmem.attach': 'attach of a device to it, and detach',
    'gmem.prepare': 'page of 4K at its first map for a device: allocate, clear, map',
    'gmem.map': 'the same of a page that is there',
}
TABLES = ((FIGURES, KINDS), (IOAS_FIGURES, IOAS_KINDS))
ROWS = [f'{figure}.{kind}' for figures, kinds in TABLES for figure in figures for kind in kinds] + list(OTHERS)

# The first costs at most so many times the second.
TARGETS = (
    ('fault.dmabuf.4k', 'fault.guest_memfd.4k', 1.15),
    ('prefault.dmabuf.4k', 'prefault.guest_memfd.4k', 1.15),
    ('fault.dmabuf.2m', 'fault.anon.2m', 1.15),
    ('prefault.dmabuf.2m', 'prefault.anon.2m', 1.15),
    ('fault.gmem_dmabuf.4k', 'fault.guest_memfd.4k', 1.02),
    ('prefault.gmem_dmabuf.4k', 'prefault.guest_memfd.4k', 1.02),
    ('punch.exported', 'punch.none', 1.02),
    ('revoke.4k', 'delete.anon.4k', 1),
    # At a block KVM's walk looks for a page table below it: some ten instructions.
    ('revoke.2m', 'revoke.4k', 1.1),
    ('revoke.unmapped.64m', 'revoke.unmapped.4k', 1),
    ('ioas_map.dmabuf.2m', 'ioas_map.address.2m', 0.1),
    ('ioas_unmap.dmabuf.2m', 'ioas_unmap.address.2m', 0.1),
)
# What also runs on a kernel without our code, and how many times its cost ours may be:
# BARs, and PUNCH_HOLE of a guest_memfd without a dma-buf.
STOCK_ROWS = {f'{figure}.bar.{size}': 1.05 for figure in IOAS_FIGURES for size in ('16m', '64m')}
STOCK_ROWS['punch.none'] = 1.02
# How far two boots may be apart.
AGREE = 0.01

SMP = re.compile(r'\s*# smp (\S+) faults (\d+) retries (\d+) waits (\d+)')
SMP_ROWS = [f'{what}.{vcpus}' for vcpus in (1, 2, 4) for what in ('quiet', 'moving')]
ROW = re.compile(r'\s*# row (\S+) pages (\d+) ticks (-?\d+) min (-?\d+) max (-?\d+)')

NOTES = f'''\
Method: emulated CPU whose TSC counts instructions of guest, KVM and VMM alike;
median of five rounds (least, for guest_memfd as an exporter), mean of two boots.
Memory is touched beforehand. 2m rows are the cost of a block divided by 512.
  fault     the guest writes to each page or block, minus a second such pass
  prefault  one KVM_PRE_FAULT_MEMORY over the range
  delete    deletion of a large slot minus that of a small one
  revoke    of a large part that is mapped minus that of a small one
  ioas_*    IOMMU_IOAS_MAP(_FILE) and _UNMAP of 32 MiB (4k) or 256 MiB (2m) at
            once; domain of the mock driver, whose page tables are AMD's
Not seen: caches, TLB, IPIs, contention, what an instruction costs. Figures say
which code path is longer, not how long it takes on hardware.
Command: make bench'''
SMP_NOTES = '''\
Counted on four emulated CPUs, on the debug kernel. quiet: each vCPU touches pages
of its own, once. moving: it goes round and round while the exporter moves them.
  retries   calls of fill that led to no mapping, because of an invalidation
  waits     somebody had to wait for a reservation lock, vCPU or exporter'''


def die(text):
    """One clear line."""
    print(f'error: {text}', file=sys.stderr)
    sys.exit(1)


def read_rows(path, expected):
    """Instructions per 4K page by row, of one boot."""
    rows = {}
    with open(f'{path}/result.log', encoding='utf-8', errors='replace') as f:
        for match in filter(None, map(ROW.match, f)):
            rows[match[1]] = int(match[3]) / int(match[2])
    missing = [row for row in expected if row not in rows]
    if missing:
        die(f'no row {missing[0]} in {os.path.relpath(path)}/result.log')
    unknown = [row for row in rows if row not in expected]
    if unknown:
        die(f'row {unknown[0]} of {os.path.relpath(path)}/result.log is unknown, add it to KINDS, IOAS_KINDS or OTHERS')
    bad = [row for row in expected if rows[row] <= 0]
    if bad:
        die(f'row {bad[0]} is not positive in {os.path.relpath(path)}/result.log')
    return rows


def read_smp(path):
    """Faults, and what else was counted, by row."""
    with open(f'{path}/result.log', encoding='utf-8', errors='replace') as f:
        rows = {match[1]: dict(zip(('faults', 'retries', 'waits'), map(int, match.groups()[1:])))
                for match in filter(None, map(SMP.match, f))}
    if sorted(rows) != sorted(SMP_ROWS):
        die(f'the rows of {os.path.relpath(path)}/result.log are {sorted(rows)}, not {SMP_ROWS}')
    return rows


def spread(values):
    """How far apart, relative to the least."""
    return (max(values) - min(values)) / min(values)


def number(value):
    """Four digits that matter, so that 0.36 is not printed as 0."""
    return f'{value:,.0f}' if value >= 100 else f'{value:.2f}'


def print_table(rows):
    """One line per kind of memory."""
    for figures, kinds in TABLES:
        print('\nInstructions per 4K page')
        print(f'{"":<18}' + ''.join(f'{figure:>12}' for figure in figures))
        for kind, text in kinds.items():
            print(f'{kind:<18}' + ''.join(f'{number(rows[f"{figure}.{kind}"]):>12}'
                                          for figure in figures) + f'  {text}')
    print('\nInstructions for one')
    for row, text in OTHERS.items():
        print(f'{row:<18}{number(rows[row]):>12}  {text}')
    print(f'\n{NOTES}\n')


def print_smp(rows):
    """One line per number of vCPUs, with and without moves."""
    print(f'{"vCPUs":<18}' + ''.join(f'{text:>14}' for text in ('faults', 'retries/fault', 'waits/fault')))
    for name in SMP_ROWS:
        row = rows[name]
        print(f'{name:<18}{row["faults"]:>14,}'
              + ''.join(f'{row[what] / row["faults"]:>14.4f}' for what in ('retries', 'waits')))
    print(f'\n{SMP_NOTES}\n')


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description='table of the benchmark')
    parser.add_argument('--arch', required=True)
    parser.add_argument('--out', required=True, help='JSON file to write')
    parser.add_argument('--smp', required=True, help='result directory of the boot that counts contention')
    parser.add_argument('--bar', required=True, help='result directory of the boot that maps BARs')
    parser.add_argument('--stock', required=True, help='that of the kernel without our code')
    parser.add_argument('results', nargs='+', help='result directory of a boot')
    args = parser.parse_args()

    boots = [read_rows(path, ROWS) for path in args.results]
    bars, stock = read_rows(args.bar, STOCK_ROWS), read_rows(args.stock, STOCK_ROWS)
    smp = read_smp(args.smp)
    rows = {row: sum(boot[row] for boot in boots) / len(boots) for row in ROWS}
    spreads = {row: spread([boot[row] for boot in boots]) for row in ROWS}
    worst = max(ROWS, key=spreads.get)

    print_table(rows)
    print_smp(smp)
    if spreads[worst] > AGREE:
        die(f'{worst} differs by {spreads[worst]:.2%} between boots, {AGREE:.0%} is allowed: '
            + ', '.join(f'{boot[worst]:.3f}' for boot in boots))
    print(f'stability: {len(boots)} boots agree within {spreads[worst]:.3%} '
          f'({worst}), allowed {AGREE:.0%}')

    targets = []
    for ours, theirs, limit in TARGETS:
        ratio = rows[ours] / rows[theirs]
        targets.append({'row': ours, 'base': theirs, 'ratio': round(ratio, 4),
                        'limit': limit, 'reached': ratio <= limit})
        print(f'target: {ours:<23} {ratio:.3f} x {theirs:<23} at most {limit}: '
              + ('reached' if targets[-1]['reached'] else 'not reached'))

    print('\nInstructions per 4K page, beside the stock kernel')
    print(f'{"":<20}{"ours":>12}{"stock":>12}{"ratio":>8}')
    for row, limit in STOCK_ROWS.items():
        ratio = bars[row] / stock[row]
        targets.append({'row': row, 'base': 'stock', 'ratio': round(ratio, 4),
                        'limit': limit, 'reached': ratio <= limit})
        print(f'{row:<20}{number(bars[row]):>12}{number(stock[row]):>12}{ratio:>8.3f}  at most {limit}: '
              + ('reached' if targets[-1]['reached'] else 'not reached'))

    with open(f'{args.out}.tmp', 'w', encoding='utf-8') as f:
        json.dump({
            'arch': args.arch,
            'unit': 'instructions per 4K page',
            'boots': len(boots),
            'spread': round(spreads[worst], 6),
            'rows': {row: round(rows[row], 4) for row in ROWS},
            'bars': {row: {'ours': round(bars[row], 4), 'stock': round(stock[row], 4)} for row in STOCK_ROWS},
            'targets': targets,
            'smp': smp,
        }, f, indent=2)
        f.write('\n')
    os.replace(f'{args.out}.tmp', args.out)
    print(f'written to {os.path.relpath(args.out)}')
    missed = [target['row'] for target in targets if not target['reached']]
    if missed:
        die(f'{len(missed)} of {len(targets)} targets not reached: ' + ', '.join(missed))


if __name__ == '__main__':
    main()
