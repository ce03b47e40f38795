# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the tools share: running a tool, recording a trace, printing TAP.

A program that uses it is run as: test-NAME.py SOURCE-DIR BUILD-DIR
"""

import os
import subprocess
import sys
import tempfile

SOURCE, BUILD = sys.argv[1:3]
SCENARIO = os.path.join(SOURCE, "fixtures/scenarios/processes.scn")
tests = []


def test(function):
    tests.append(function)
    return function


def run(tool, *words, status=0, stdin=None, env=None, timeout=120):
    """Run a tool and return (stdout, stderr); fails when it exits with another status."""
    done = subprocess.run(
        [os.path.join(BUILD, "tools", tool), *words],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        env=dict(os.environ, **(env or {})),
        check=False,
    )
    out = done.stdout.decode(errors="replace")
    err = done.stderr.decode(errors="replace")
    assert done.returncode == status, f"{tool} {words}: status {done.returncode}\n{out}\n{err}"
    return out, err


def record(folder, name="x.vmt", *words):
    """A trace of the handler tiny over the scenario of the fixtures."""
    path = os.path.join(folder, name)
    run("vmirec", "-q", "-b", "scripted", "-g", SCENARIO, "-H", "tiny", "-o", path, *words)
    return path


def main():
    failed = 0
    print(f"1..{len(tests)}")
    for number, function in enumerate(tests, 1):
        name = function.__name__
        with tempfile.TemporaryDirectory(prefix="vmitape-tools-",
                                         ignore_cleanup_errors=True) as folder:
            try:
                function(folder)
                print(f"ok {number} - {name}", flush=True)
            except Exception as error:  # each failure is one failed case
                failed += 1
                print(f"not ok {number} - {name}")
                for line in f"{type(error).__name__}: {error}".splitlines():
                    print(f"# {line}")
    return 1 if failed else 0
