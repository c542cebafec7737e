#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges boots of the test VM.

A boot is green only if it says so itself: the exit line is there, the plan was
reached, all cases passed or were skipped as expected, and the kernel log is
clean. Silence is a failure. KTAP is read by the kernel's own kunit_parser.py.

The last line of a summary is "N passed, N failed, N skipped", the exit status
agrees. Cases are the leaves of KTAP; a program that speaks no KTAP is one.
"""

import argparse
import difflib
import fnmatch
import io
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import splats  # pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
LOG_LINES = 12
# How the job runner says that a program did not end well.
END_OF_JOB = re.compile(r'# ((timed out after|killed by|exit status) .*)')


def read(path):
    """Lines of a file that may hold any byte; None if there is no file."""
    try:
        with open(path, encoding='utf-8', errors='backslashreplace', newline='\n') as f:
            return [line.rstrip('\r\n') for line in f]
    except FileNotFoundError:
        return None


def read_meta(path):
    """What is known about a boot beforehand: "key=value" lines."""
    return dict(line.partition('=')[::2] for line in read(f'{path}/meta') or [])


class Failure:
    """What went wrong, where (path below the boot, empty: the boot as a whole), and the log."""

    def __init__(self, what, where='', log=()):
        self.what = what
        self.where = where
        self.log = list(log)

    def __str__(self):
        return f'{self.where}: {self.what}' if self.where else self.what


class Verdict:
    """What is to be said about one boot."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failures = []
        self.skips = []         # (where, reason)
        self.notes = []
        self.seconds = None

    @property
    def ok(self):
        """Green: nothing failed."""
        return not self.failures

    def fail(self, what, where='', log=()):
        """Adds a failure."""
        self.failures.append(Failure(what, where, log))


class ExpectedSkips:
    """The list of skips the project knows of: "boot/job/case: reason" (glob: regex)."""

    def __init__(self, path):
        self.entries = []
        for nr, line in enumerate(read(path) or [], 1):
            line = line.strip()
            if not line or line.startswith('#'):
                continue
            where, colon, reason = line.partition(': ')
            if not colon or not reason.strip():
                sys.exit(f'error: {path}:{nr}: want "boot/job/case: reason regex"')
            self.entries.append((where.strip(), re.compile(reason.strip())))
        self.used = set()

    def lists(self, where, reason):
        """Is this skip a known one?"""
        for i, (pattern, regex) in enumerate(self.entries):
            if fnmatch.fnmatchcase(where, pattern) and regex.search(reason):
                self.used.add(i)
                return True
        return False

    def unused(self, boot, jobs):
        """Entries about the jobs of a boot that did not happen."""
        def about(pattern, job):
            parts = pattern.split('/')[:2 + job.count('/')]
            return fnmatch.fnmatchcase(f'{boot}/{job}', '/'.join(parts))

        return [pattern for i, (pattern, _) in enumerate(self.entries)
                if i not in self.used and any(about(pattern, job) for job in jobs)]


def read_warnings(path):
    """Declared kernel warnings: lines of "count regex"."""
    declared = []
    for nr, line in enumerate(read(path) or [], 1):
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        count, _, regex = line.partition(' ')
        if not count.isdigit() or not regex.strip():
            sys.exit(f'error: {path}:{nr}: want "count regex"')
        declared.append((int(count), re.compile(regex.strip())))
    return declared


class Judge:
    """Judges result directories, with the kernel's KTAP parser."""

    def __init__(self, kunit, expected_skips):
        sys.path.insert(0, kunit)
        try:
            import kunit_parser     # pylint: disable=import-outside-toplevel,import-error
            import kunit_printer    # pylint: disable=import-outside-toplevel,import-error
        except ImportError:
            sys.exit(f'error: no kunit_parser.py in {kunit}: run make stage, or name it with --kunit')
        self.parser = kunit_parser
        self.printer = kunit_printer.Printer
        self.expected_skips = expected_skips
        self.errors = []

    def parse(self, lines):
        """Returns (root of the tree of cases, error messages of the parser)."""
        end = self.parser.KTAP_END
        # The parser stops where a kernel log ends. That of a guest may be
        # quoted in a diagnostic, and does not count.
        lines = ['#' if line.lstrip().startswith('#') and end.search(line) else line
                 for line in lines]
        out = io.StringIO()
        root = self.parser.parse_run_tests(lines, self.printer(output=out))
        errors = [line.split('[ERROR] ', 1)[1] for line in out.getvalue().splitlines()
                  if '[ERROR] ' in line]
        return root, errors

    def walk(self, verdict, test, path, before=(), after=()):
        """Counts the leaves below test. Returns whether all was well."""
        status = self.parser.TestStatus
        log = [*(test.log or before), *after]

        if not test.subtests:
            if test.status == status.SUCCESS:
                verdict.passed += 1
                return True
            if test.status == status.SKIPPED:
                self.skip(verdict, path, test.skip_reason)
                return True
            what = {status.FAILURE: 'failed', status.NO_TESTS: 'ran no tests'}
            end = END_OF_JOB.match(test.log[-1]) if test.log else None
            verdict.fail(what.get(test.status, 'no result') + (f': {end.group(1)}' if end else ''),
                         path, log)
            return False

        good = True
        skips = len(verdict.skips)
        for nr, sub in enumerate(test.subtests, 1):
            # cmocka explains a failure behind it, all others do before.
            behind = test.subtests[nr].log if nr < len(test.subtests) else ()
            good &= self.walk(verdict, sub, f'{path}/{sub.name or nr}', test.log,
                              behind if verdict.name == 'host' else ())
        if test.status == status.SKIPPED:
            if len(verdict.skips) == skips and good:
                self.skip(verdict, path, test.skip_reason)
        elif test.status != status.SUCCESS and good:
            why = [e for e in self.errors if e.startswith(f'Test: {test.name}: ')]
            verdict.fail('failed, though each of its cases passed', path, [*log, *why])
            return False
        return good

    def skip(self, verdict, where, reason):
        """A skip is a failure, unless the project expects it."""
        if self.expected_skips.lists(f'{verdict.name}/{where}', reason):
            verdict.skips.append((where, reason))
        else:
            verdict.fail(f'skipped, which is not expected: {reason or "no reason given"}', where)

    def judge_ktap(self, verdict, lines, jobs):
        """The result port: plan, cases, exit line."""
        if not any(line.strip() for line in lines):
            verdict.fail('no results: died before the first job')
            return

        root, errors = self.parse(lines)
        self.errors = errors
        counted = verdict.passed
        planned = root.expected_count
        ran = [t for t in root.subtests if t.name or t.subtests]
        names = [t.name for t in ran]
        lost = [job for job in jobs if job not in names]
        good = True
        for nr, test in enumerate(ran, 1):
            good &= self.walk(verdict, test, test.name or str(nr))
        for job in lost:
            verdict.fail('no result', job)
            good = False

        if planned is None:
            verdict.fail('no plan')
        elif not planned:
            verdict.fail('the plan is empty')
        elif planned != len(ran) and not lost:
            verdict.fail(f'{planned} jobs planned, {len(ran)} seen')
        if jobs and planned not in (None, len(jobs)):
            verdict.fail(f'{len(jobs)} jobs asked for, {planned} planned')
        if errors and good:
            verdict.fail('KTAP is broken: ' + '; '.join(errors))
        if verdict.passed - counted != root.counts.passed:
            verdict.fail(f'counted {verdict.passed - counted} passed cases, '
                         f'the parser {root.counts.passed}')

        last = re.fullmatch(r'# exit (\d+)', lines[-1])
        if not last:
            verdict.fail('no exit line: the VM died on the way', log=lines[-LOG_LINES:])
        elif last.group(1) != '0' and not verdict.failures:
            verdict.fail(f'exit {last.group(1)}, though every case passed')

    @staticmethod
    def judge_console(verdict, lines, declared):
        """The kernel log: nothing but the declared warnings, each as often as declared."""
        found = splats.scan(lines)
        seen = [0] * len(declared)
        for splat in found:
            for i, (_, regex) in enumerate(declared):
                if splat.matches(regex):
                    seen[i] += 1
                    break
            else:
                verdict.fail(f'kernel: {splat.line}', f'during {splat.job or "boot"}',
                             splat.text[:LOG_LINES])
        for (count, regex), nr in zip(declared, seen):
            if nr != count:
                verdict.fail(f'declared warning seen {nr} times instead of {count}: '
                             f'{regex.pattern}')

    def judge(self, name, path, console=True):
        """Returns the verdict on one result directory."""
        verdict = Verdict(name)
        meta = read_meta(path)
        jobs = [line.split()[0] for line in read(f'{path}/jobs') or [] if line.strip()]
        status = ''.join(read(f'{path}/status') or [])
        verdict.seconds = meta.get('seconds')
        log = read(f'{path}/console.log') or []

        if status == '124':
            last = [m.group(2) for m in map(splats.MARKER.match,
                                            (splats.TIMESTAMP.sub('', line) for line in log)) if m]
            verdict.fail(f'hung: killed after {meta.get("timeout", "?")} s, '
                         f'last job: {last[-1] if last else "none"}', log=log[-LOG_LINES:])
        elif status == '':
            verdict.fail('was not run to its end')
            if not os.path.exists(f'{path}/result.log'):
                return verdict
        elif status != '0':
            verdict.fail(f'QEMU ended with status {status}',
                         log=(read(f'{path}/qemu.log') or [])[-LOG_LINES:])

        self.judge_ktap(verdict, read(f'{path}/result.log') or [], jobs)
        if console:
            if not any(line.strip() for line in log):
                verdict.fail('the kernel log is empty')
            self.judge_console(verdict, log, read_warnings(f'{path}/warnings'))

        if not os.path.exists(f'{path}/partial'):
            if not verdict.passed and not verdict.failures:
                verdict.fail('nothing but skips')
            verdict.notes += [f'expected skip did not happen: {pattern}'
                              for pattern in self.expected_skips.unused(name, jobs)]
        return verdict


def print_failure(verdict, failure, out):
    """One failure: what, the last lines of its log, how to run it alone."""
    where = f'{verdict.name}/{failure.where}' if failure.where else verdict.name
    print(f'FAILED {where}: {failure.what}', file=out)
    for line in failure.log[-LOG_LINES:]:
        print(f'    | {line.strip()}', file=out)


def job_of(verdict, failure, path):
    """The job that a failure belongs to, if any."""
    jobs = [line.split()[0] for line in read(f'{path}/jobs') or [] if line.strip()]
    where = failure.where.removeprefix('during ')
    for job in sorted(jobs, key=len, reverse=True):
        # Not a job of the boot: it looks at what the others left behind.
        if job == 'kmemleak':
            continue
        if where == job or where.startswith(job + '/'):
            return f'{verdict.name}/{job}'
    return None


def summary(judge, results, names, out):
    """Judges boots and prints all there is to say. Returns True if all is well."""
    verdicts = []
    for name in names:
        path = os.path.join(results, name)
        boot = read_meta(path).get('boot', name)
        verdicts.append((judge.judge(boot, path, name != 'host'), path))

    for verdict, path in verdicts:
        for failure in verdict.failures:
            print_failure(verdict, failure, out)
        jobs = [job_of(verdict, failure, path) for failure in verdict.failures]
        for job in dict.fromkeys(job for job in jobs if job and verdict.name != 'host'):
            debug = ' DEBUG=1' if read_meta(path).get('flavour') == 'debug' else ''
            print(f'    run it alone: make kselftest T={job}{debug}', file=out)
        if verdict.failures:
            print(f'    logs: {os.path.relpath(path)}/', file=out)
        for where, reason in verdict.skips:
            print(f'skipped {verdict.name}/{where}: {reason}', file=out)
        for note in verdict.notes:
            print(f'note: {note}', file=out)

    for verdict, _ in verdicts:
        seconds = f'{verdict.seconds:>5} s' if verdict.seconds else ''
        print(f'{verdict.name:<8} {verdict.passed:>5} passed {len(verdict.failures):>4} failed '
              f'{len(verdict.skips):>4} skipped  {seconds}'.rstrip(), file=out)

    passed = sum(v.passed for v, _ in verdicts)
    failed = sum(len(v.failures) for v, _ in verdicts)
    skipped = sum(len(v.skips) for v, _ in verdicts)
    if not passed and not failed:
        print('FAILED: nothing ran', file=out)
        failed = 1
    print(f'{passed} passed, {failed} failed, {skipped} skipped', file=out)
    return not failed


def demo(judge, results, name):
    """One line for people: did the demo work, and if not, why."""
    verdict = judge.judge(name, os.path.join(results, name))
    if verdict.ok and not verdict.skips:
        print('demo: PASS')
        return True

    # What the demo itself says was shown while it ran, and is the best reason
    # there is unless the kernel has a better one.
    kernel, own, others = [], [], []
    for failure in verdict.failures:
        said = [re.search(r'demo: FAIL: (.*)', line) for line in failure.log]
        own += [match.group(1) for match in said if match]
        if failure.what.startswith('kernel: '):
            kernel.append(failure.what)
        elif not any(said):
            others.append((bool(failure.where), str(failure)))
        if not any(said):
            print_failure(verdict, failure, sys.stdout)
    # What concerns the whole VM explains the rest.
    others = [text for _, text in sorted(others, key=lambda other: other[0])]
    why = kernel + own + others + [f'{where}: skipped: {why}' for where, why in verdict.skips]
    print(f'demo: FAIL: {why[0] if why else "nothing ran"}')
    return False


def golden_case(judge, path):
    """Compares the verdict on a golden case with what its file "expect" says.

    expect: "verdict green|red", "passed N", "failed N", "skipped N", and one
    "reason REGEX" per failure, "note REGEX" per note. Returns complaints.
    """
    judge.expected_skips = ExpectedSkips(f'{path}/expected-skips')
    verdict = judge.judge('golden', path)
    want = [line.partition(' ')[::2] for line in read(f'{path}/expect') or []
            if line and not line.startswith('#')]
    got = {
        'verdict': 'green' if verdict.ok else 'red',
        'passed': str(verdict.passed),
        'failed': str(len(verdict.failures)),
        'skipped': str(len(verdict.skips)),
    }
    lists = {
        'reason': [str(f) for f in verdict.failures],
        'note': list(verdict.notes),
    }

    bad = [] if 'verdict' in dict(want) else ['its file "expect" has no verdict']
    for key, value in want:
        if key in got and got[key] != value:
            bad.append(f'{key} is {got[key]}, not {value}')
        elif key in lists:
            hit = [text for text in lists[key] if re.search(value, text)]
            if hit:
                lists[key].remove(hit[0])
            else:
                bad.append(f'no {key} matches: {value}')
        elif key not in got:
            bad.append(f'unknown word in "expect": {key}')
    bad += [f'unexpected {key}: {text}' for key, texts in lists.items() for text in texts]
    return bad


def golden_deny():
    """Each pattern of the deny list must find its example, and nothing else be found."""
    bad = []
    examples = read(f'{HERE}/golden/deny.txt')
    for pattern in splats.DENY:
        if not any(pattern.search(line) for line in examples):
            bad.append(f'no example in golden/deny.txt for: {pattern.pattern}')
    for line in examples:
        if line and not line.startswith('#') and len(splats.scan([line])) != 1:
            bad.append(f'not found: {line}')
    for line in read(f'{HERE}/golden/clean.txt'):
        if not line.startswith('#') and splats.scan([line]):
            bad.append(f'found, though harmless: {line}')
    return bad


def golden_init(init):
    """The job runner of the VM, run here: programs that end in all sorts of ways."""
    path = f'{HERE}/golden/init'
    with tempfile.NamedTemporaryFile('w') as jobs:
        jobs.write('\n'.join(read(f'{path}/jobs')).replace('@', path) + '\n')
        jobs.flush()
        run = subprocess.run([init, jobs.name], stdout=subprocess.PIPE, check=False)
    got = run.stdout.decode(errors='backslashreplace').replace(path, '@').splitlines()
    got = [line for line in got if not re.fullmatch(r'# took [0-9.]+ s', line)]
    bad = [] if run.returncode == 1 else [f'exit status is {run.returncode}, not 1']
    return bad + list(difflib.unified_diff(read(f'{path}/result.log'), got, 'expected', 'got',
                                           lineterm=''))


def golden(judge, init):
    """Runs all golden cases. Returns True if the scanner judges each as it should."""
    root = f'{HERE}/golden'
    cases = sorted(e.name for e in os.scandir(root) if e.is_dir() and e.name != 'init')
    results = [('deny-list', golden_deny()), ('init', golden_init(init))]
    results += [(case, golden_case(judge, f'{root}/{case}')) for case in cases]

    print(f'TAP version 13\n1..{len(results)}')
    for nr, (case, bad) in enumerate(results, 1):
        for line in bad:
            print(f'# {line}')
        print(f'{"not ok" if bad else "ok"} {nr} golden/{case}')
    return not any(bad for _, bad in results)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description='judge boots of the test VM')
    parser.add_argument('--kunit', required=True, help="the kernel's tools/testing/kunit")
    parser.add_argument('--results', help='build/<arch>/results')
    parser.add_argument('--expected-skips', default=f'{HERE}/expected-skips')
    parser.add_argument('--golden', metavar='INIT',
                        help='judge the golden cases instead, and try the job runner INIT')
    parser.add_argument('--demo', action='store_true', help='one closing line for the demo')
    parser.add_argument('--stderr', action='store_true', help='print the summary to stderr')
    parser.add_argument('boot', nargs='*')
    args = parser.parse_args()

    judge = Judge(args.kunit, ExpectedSkips(args.expected_skips))
    if args.golden:
        return golden(judge, args.golden)
    if not args.results or not args.boot:
        parser.error('--results and at least one boot are needed')
    if args.demo:
        return demo(judge, args.results, args.boot[0])
    return summary(judge, args.results, args.boot, sys.stderr if args.stderr else sys.stdout)


if __name__ == '__main__':
    sys.exit(0 if main() else 1)
