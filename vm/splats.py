# SPDX-License-Identifier: GPL-2.0-only
"""Finds in a kernel log what must not be there."""

import re

# What the kernel prints when it found something wrong. Matched anywhere in a
# line, after the time stamp. One golden case or unit case each (golden/).
DENY = [re.compile(p) for p in (
    r'\bWARNING: ',
    r'\bBUG: ',
    r'\bkernel BUG at ',
    r'\bOops: ',
    r'\bOops\[#',
    r'Kernel panic',
    r'general protection fault',
    r'unable to handle (kernel|page fault)',
    r'\bUBSAN: ',
    r'\bKCSAN: ',
    r'\bKFENCE: ',
    r'possible (circular|recursive) locking',
    r'possible irq lock inversion',
    r'inconsistent lock state',
    r'suspicious RCU usage',
    r'Invalid wait context',
    r'INFO: task .* blocked for more than',
    r'INFO: trying to register non-static key',
    r'INFO: lockdep is turned off',
    r'rcu: INFO: ',
    r'(rcu_\w+|rcu) (detected|self-detected) .*stall',
    r'soft lockup',
    r'hard LOCKUP',
    r'scheduling while atomic',
    r'sleeping function called from invalid context',
    r'refcount_t: ',
    r'list_(add|del) corruption',
    r'kmemleak: [1-9]\d* new suspected',
    r'ODEBUG: ',
    r'Bad page (state|map)',
    r'bad: scheduling from the idle thread',
    r'cannot create duplicate filename',
    r'kobject_add_internal failed for .* with -EEXIST',
    r'tried to init an initialized object',
    r'double fault',
    r'stack guard page was hit',
    r'Objects remaining in ',
    r'\bslab .* (corruption|overwritten)',
    r'nobody cared \(try booting',
    r'unexpected (kernel )?(trap|IRQ) ',
    r'unchecked MSR access error',
    r'page allocation failure',
    r'Out of memory: Killed process',
    r'invoked oom-killer',
    r'[Ff]ailed to execute /init',
    r'segfault at .* in init\[',
)]

# Lines that look like one of those and are none. Each needs its reason.
ALLOW = [re.compile(p) for p in (
    # The harness's own marker before each job: a test may be named anything.
    r'^vm: (job \d+/\d+: |jobs done)',
)]

TIMESTAMP = re.compile(r'^(<\d+>)?(\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?)')
CUT_HERE = re.compile(r'-+\[ cut here \]-+')
END_TRACE = re.compile(r'---\[ end trace ')
MARKER = re.compile(r'^vm: job (\d+)/\d+: (.*)$')


class Splat:
    """One report of the kernel: its first telling line, all of it, and during which job."""

    def __init__(self, line, job):
        self.line = line
        self.job = job
        self.text = []

    def matches(self, regex):
        """Does any line of the report match?"""
        return any(regex.search(line) for line in self.text)

    def __str__(self):
        return f'{self.line} (during {self.job or "boot"})'


def scan(lines):
    """Returns the list of splats in a kernel log.

    Between "cut here" and "end trace" all lines belong to one report;
    elsewhere each line of the deny list starts one that the following lines
    belong to.
    """
    splats = []
    job = None
    block = None        # lines since "cut here"
    current = None      # the report that lines belong to

    for raw in lines:
        line = TIMESTAMP.sub('', raw.rstrip('\r\n'))

        marker = MARKER.match(line)
        if marker:
            job, block, current = marker.group(2), None, None
            continue

        if CUT_HERE.search(line):
            block, current = [], None
            continue

        bad = any(p.search(line) for p in DENY) and not any(p.search(line) for p in ALLOW)
        if bad and (current is None or block is None):
            current = Splat(line, job)
            current.text = block if block is not None else []
            splats.append(current)
        elif block is not None and current is None:
            block.append(line)
            continue
        if current is not None:
            current.text.append(line)

        if END_TRACE.search(line):
            block, current = None, None

    return splats
