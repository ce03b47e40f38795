#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-vmirec.py BUILD [KILLS]: vmirec on the emulated domain, as its users run it. Prints TAP."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 6
DEMO = os.path.join(BUILD, "fixtures/guests/demo/demo.elf")
tests = []


def test(function):
    tests.append(function)
    return function


def tool(name):
    return os.path.join(BUILD, "tools", name)


def run(name, *words, status=0):
    done = subprocess.run([tool(name), *words], capture_output=True, timeout=120)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == status, f"{name} {words}: status {done.returncode}\n{out}\n{err}"
    return out, err


def emulated(*words):
    return ("--backend", "emulated", "--guest", DEMO, *words)


def digests(*paths):
    out, _ = run("vmitrace", "digest", *paths)
    return [line.split()[:2] for line in out.splitlines()]


@test
def a_recording_says_what_it_is_and_replays(folder):
    path, again = os.path.join(folder, "x.vmt"), os.path.join(folder, "again.vmt")
    run("vmirec", *emulated("-H", "tiny", "-o", path))
    info = json.loads(run("vmitrace", "info", "--json", path)[0])
    assert info["backend"] == "emulated" and info["events"] >= 10, info
    run("vmireplay", "--re-record", again, path)
    assert len({tuple(d) for d in digests(path, again)}) == 1


@test
def equal_seeds_give_equal_recordings(folder):
    def record(name, seed):
        path = os.path.join(folder, name)
        run("vmirec", *emulated("--command-line", "scenes=cr,msr,int3,smp pace=5", "--vcpus", "2",
                                "--seed", str(seed), "-H", "events", "-O", "limit=200", "-o", path))
        return path
    first, second, other = digests(record("a.vmt", 7), record("b.vmt", 7), record("c.vmt", 8))
    assert first == second, (first, second)
    assert first != other, (first, other)


@test
def the_guests_shutdown_is_a_good_end(folder):
    path = os.path.join(folder, "x.vmt")
    _, err = run("vmirec", *emulated("--command-line", "rounds=3", "-H", "events", "-o", path))
    assert "domain gone" in err, err
    run("vmireplay", path)


@test
def wrong_words_are_told_in_a_sentence(folder):
    path = os.path.join(folder, "x.vmt")
    _, err = run("vmirec", "--backend", "emulated", "-H", "tiny", "-o", path, status=2)
    assert "--guest is missing" in err, err
    _, err = run("vmirec", *emulated("--domain", "x", "-H", "tiny", "-o", path), status=2)
    assert "--domain belongs" in err, err
    _, err = run("vmirec", "--seed", "1", "--guest", "x.scn", "-H", "tiny", "-o", path, status=2)
    assert "--backend emulated" in err, err


@test
def a_kernel_that_is_none_is_told(folder):
    path, kernel = os.path.join(folder, "x.vmt"), os.path.join(folder, "kernel")
    with open(kernel, "wb") as f:
        f.write(b"#!/bin/sh\n" * 20)
    done = subprocess.run([tool("vmirec"), "--backend", "emulated", "--guest", kernel, "-H", "tiny",
                           "-o", path], capture_output=True, timeout=60)
    assert done.returncode != 0 and b"no ELF file" in done.stderr, done


def wait_until(condition, what):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(what)


def is_written(path):
    """Is a process there that has the trace's name on its command line? (The keeper writes it.)"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if path.encode() in f.read().split(b"\0"):
                    return True
        except OSError:
            continue
    return False


def kill_a_recording(path, handler, seconds):
    """Kill it so long after it has begun; returns the trace, under whatever name it is left."""
    partial = path + ".partial"
    child = subprocess.Popen([tool("vmirec"), *emulated("--command-line", "pace=0", "-q", "-H",
                                                        *handler, "-o", path)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(partial), "no trace was begun")
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    wait_until(lambda: not is_written(path), "the process that writes the trace goes on")
    return path if os.path.exists(path) else partial


@test
def a_killed_recording_can_be_read_as_far_as_it_came(folder):
    draw = random.Random(1)
    for number in range(KILLS):
        handler = draw.choice([("cr3",), ("events",), ("pagewatch", "-O", "pages=0x181:w")])
        name = kill_a_recording(os.path.join(folder, f"{number}.vmt"), handler, draw.random() * 0.5)
        status = 0 if name.endswith(".vmt") else 3
        out, _ = run("vmitrace", "check", name, status=status)
        done = subprocess.run([tool("vmitrace"), "info", "--json", name], capture_output=True)
        if not done.stdout:  # killed before the first record was written
            continue
        info = json.loads(done.stdout)
        assert info["backend"] == "emulated", info
        # What is there replays the same. The cut may lie within a callback, of which a part lacks.
        done = subprocess.run([tool("vmireplay"), "--json", "--allow-cut", name],
                              capture_output=True, timeout=120)
        report = json.loads(done.stdout)
        first = report["first"]
        assert first is None or first["event"] >= report["recorded_events"] - 1, report


def main():
    failed = 0
    print(f"1..{len(tests)}")
    for number, function in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix="vmitape-emulated-") as folder:
            try:
                function(folder)
                print(f"ok {number} - {function.__name__}")
            except Exception as error:  # each failure is one failed case
                failed += 1
                print(f"not ok {number} - {function.__name__}")
                for line in f"{type(error).__name__}: {error}".splitlines():
                    print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
