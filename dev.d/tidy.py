#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run clang-tidy over the project's C files, two at a time, and only over those that changed.

  tidy.py BUILD-DIR FILE...

A file is clean again without a run when it, all that it includes, its compile command and
.clang-tidy are what they were when it was found clean.
"""

import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.join(base, "vmitape", "tidy")
    os.makedirs(path, exist_ok=True)
    return path


def digest(command, build):
    """The hash of everything that clang-tidy's verdict rests on; None when it does not compile."""
    argv = shlex.split(command["command"])
    keep, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ"):
            skip = True
        elif word not in ("-c", "-MD"):
            keep.append(word)
    made = subprocess.run(keep + ["-MM"], cwd=build, capture_output=True, text=True, check=False)
    if made.returncode:
        return None
    inputs = made.stdout.replace("\\\n", " ").split(":", 1)[1].split()
    state = hashlib.sha256(" ".join(argv).encode())
    for path in [os.path.abspath(".clang-tidy"), *sorted(set(inputs))]:
        with open(os.path.join(build, path), "rb") as file:
            state.update(path.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return state.hexdigest()


def tidy(source, command, build, database, cache):
    key = digest(command, build)
    stamp = os.path.join(cache, key) if key else None
    if stamp and os.path.exists(stamp):
        return ""
    ran = subprocess.run(["clang-tidy", "--quiet", "-p", database, source], capture_output=True,
                         text=True, check=False)
    if ran.returncode:
        return ran.stdout + (ran.stderr if not ran.stdout else "")
    if stamp:
        with open(stamp, "w", encoding="utf-8"):
            pass
    return ""


def main(build, files):
    build = os.path.abspath(build)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as database:
        commands = {os.path.relpath(os.path.join(c["directory"], c["file"])): c
                    for c in json.load(database)}
    sources = [f for f in files if f in commands]
    cache = cache_dir()
    # One command for each file: clang-tidy 14 takes each va_list of a second translation unit in one
    # run for uninitialized.
    with tempfile.TemporaryDirectory() as once:
        with open(os.path.join(once, "compile_commands.json"), "w", encoding="utf-8") as database:
            json.dump([commands[f] for f in sources], database)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda f: tidy(f, commands[f], build, once, cache), sources))
    for text in filter(None, found):
        print(text, end="")
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
