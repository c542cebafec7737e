#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes compile_commands.json, with which clangd opens our files in place.

The kernel's own script lists what kbuild compiled, below build/<arch>/tree. For
files of ours the entry names the file in this repository; its directory in the
tree becomes a place to look for "quoted" headers. What other makefiles compile
comes from their dry run.
"""

import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
ARCH = os.environ.get("ARCH") or "x86_64"
BUILD = os.path.join(ROOT, "build", ARCH)
TREE = os.path.join(BUILD, "tree")
KOUT = os.path.join(BUILD, "kernel")


def in_repository(path):
    """Where a file of the tree really is, if that is outside of build/."""
    real = os.path.realpath(path)
    if real.startswith(ROOT + os.sep) and not real.startswith(BUILD + os.sep):
        return real
    return None


def entry(directory, words, source):
    """One entry for SOURCE, a word of the command WORDS run in DIRECTORY."""
    path = os.path.join(directory, source)
    if words and os.path.basename(words[0]) == "ccache":
        words = words[1:]
    own = in_repository(path)
    if own:
        words = [own if w == source else w for w in words]
        words[1:1] = ["-iquote", os.path.dirname(os.path.abspath(path))]
    return {
        "directory": directory,
        "file": own or os.path.abspath(path),
        "arguments": words,
    }


def from_kbuild():
    """Everything that kbuild compiled."""
    out = os.path.join(BUILD, "compile_commands.kernel.json")
    subprocess.run(
        [os.path.join(TREE, "scripts/clang-tools/gen_compile_commands.py"), "-d", KOUT, "-o", out],
        check=True,
    )
    with open(out, encoding="utf-8") as f:
        for old in json.load(f):
            words = shlex.split(old["command"])
            yield entry(old["directory"], words, words[-1])


def from_dry_run(script):
    """What SCRIPT, one of ours, would have its makefiles compile."""
    run = subprocess.run(
        [os.path.join(ROOT, "scripts", script), "commands"],
        check=True, stdout=subprocess.PIPE, text=True,
    )
    directory = ROOT
    for line in run.stdout.splitlines():
        entering = re.match(r"make.*: Entering directory '(.*)'", line)
        if entering:
            directory = entering.group(1)
            continue
        if not re.search(r"\b(gcc|cc)\b.* -c .*\.c\b", line):
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        for word in words:
            if word.endswith(".c") and os.path.exists(os.path.join(directory, word)):
                yield entry(directory, words, word)
                break


def from_init():
    """The init of the test VM."""
    directory = os.path.join(ROOT, "vm/init")
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.endswith(".c"):
            words = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-c", name]
            yield entry(directory, words, name)


def main():
    entries = list(from_kbuild())
    entries += from_dry_run("selftests.sh")
    entries += from_dry_run("vmm.sh")
    entries += from_init()
    out = os.path.join(ROOT, "compile_commands.json")
    with open(out + ".tmp~", "w", encoding="utf-8") as f:
        json.dump(entries, f, indent=1)
    os.replace(out + ".tmp~", out)
    ours = sum(1 for e in entries if not e["file"].startswith(BUILD + os.sep))
    print(f"  CLANGD  compile_commands.json: {len(entries)} files, {ours} of them ours")


if __name__ == "__main__":
    sys.exit(main())
