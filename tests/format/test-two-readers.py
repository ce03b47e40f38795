#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold the two readers of traces against each other, and against FORMAT.md; print TAP.

  test-two-readers.py MAKE-TRACE FORMAT.md
"""

import json
import os
import re
import subprocess
import sys
import tempfile

import vmt_reader
from xxh3 import xxh3_64


class Tap:
    def __init__(self):
        self.number = self.failed = 0

    def case(self, name, problem):
        self.number += 1
        print("not ok" if problem else "ok", self.number, "-", name, flush=True)
        if problem:
            print("#", str(problem)[:2000])
            self.failed += 1

    def done(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0


def run(*command):
    return subprocess.run(command, capture_output=True, check=True).stdout


def difference(one, two):
    """Where two lists of records differ first, or None."""
    for n, (a, b) in enumerate(zip(one, two)):
        if a != b or list(a) != list(b):
            keys = [k for k in {**a, **b} if a.get(k) != b.get(k)]
            return f"record {n}, {a.get('kind')}: {keys}: {a} and {b}"
    return None if len(one) == len(two) else f"{len(one)} and {len(two)} records"


def vectors(page, name):
    """The blocks ```vector NAME of the page."""
    return re.findall(rf"^```vector {name}\n(.*?)^```", page, re.M | re.S)


def check_numbers(page):
    for line in vectors(page, "varint")[0].splitlines() + [""]:
        if line:
            value, data = line.split(" = ")
            cursor = vmt_reader.Cursor(None, bytes.fromhex(data))
            if cursor.varint() != int(value) or cursor.at != len(cursor.data):
                return line
    for line in vectors(page, "zigzag")[0].splitlines():
        value, data = line.split(" = ")
        if vmt_reader.Cursor(None, bytes.fromhex(data)).value("s64") != int(value):
            return line
    return None


def check_patch(page):
    base = bytes(4096)
    got = vmt_reader.patch(base, bytes.fromhex(vectors(page, "patch")[0]))
    want = base[:16] + bytes.fromhex("aabbcc") + base[19:4095] + b"\1"
    return None if got == want else "the patch of the page does something else"


def check_delta(page):
    rows = [line.split(" = ") for line in vectors(page, "delta")[0].splitlines()]
    first, stored, second = (bytes.fromhex(data) for data, _ in rows)
    slots = {}
    vmt_reader.Trace.event_payload(slots, first, 0)
    got = vmt_reader.Trace.event_payload(slots, stored, 1)
    return None if got == second == slots[0] else "the delta of the page does something else"


def check_example(page, fmt, make_trace, folder):
    """The bytes in the page are what is written, and both readers read what it shows."""
    path = os.path.join(folder, "example.vmt")
    run(make_trace, "example", path)
    with open(path, "rb") as file:
        written = file.read()
    shown = bytes.fromhex(re.sub(r"#.*", "", "".join(vectors(page, "trace"))))
    if shown != written:
        return f"the page shows {shown.hex()}, written is {written.hex()}"
    want = [json.loads(line) for line in vectors(page, "json")[0].splitlines()]
    dumped = [json.loads(line) for line in run(make_trace, "dump", path).splitlines()]
    return difference(want, dumped) or difference(want, vmt_reader.lines(fmt, written))


def check_random(fmt, make_trace, folder, arguments):
    path = os.path.join(folder, "random.vmt")
    run(make_trace, "random", path, *arguments)
    dumped = [json.loads(line) for line in run(make_trace, "dump", path).splitlines()]
    with open(path, "rb") as file:
        data = file.read()
    kinds = {line.get("kind") for line in dumped}
    if len(kinds) < 49:
        return f"only {len(kinds)} kinds in it"
    return difference(dumped, vmt_reader.lines(fmt, data))


def check_changed(fmt, make_trace, folder):
    """This reader does not agree with just anything: a changed byte is seen."""
    path = os.path.join(folder, "changed.vmt")
    run(make_trace, "random", path, "3", "1", "2000", "0", "1")
    with open(path, "rb") as file:
        data = bytearray(file.read())
    for at in range(0, len(data), 97):
        data[at] ^= 4
        try:
            vmt_reader.lines(fmt, bytes(data))
            return f"byte {at} was changed, and nothing was said"
        except vmt_reader.Bad:
            data[at] ^= 4
    return None


def check_hash():
    return None if xxh3_64(b"") == 0x2D06800538D394C2 else "another number"


def main(make_trace, page_path):
    tap = Tap()
    fmt = vmt_reader.Format(page_path)
    with open(page_path, encoding="utf-8") as file:
        page = file.read()
    tap.case("xxh3 of nothing is the published number", check_hash())
    tap.case("the page's numbers are as it says", check_numbers(page))
    tap.case("the page's patch makes its page", check_patch(page))
    tap.case("the page's delta makes its payload", check_delta(page))
    with tempfile.TemporaryDirectory() as folder:
        tap.case("both readers read the page's example as it shows",
                 check_example(page, fmt, make_trace, folder))
        for arguments in (["1", "2", "0", "0", "1"], ["2", "3", "1500", "20000", "3"],
                          ["3", "2", "400", "0", "-1"], ["4", "4", "9000", "60000", "1"]):
            tap.case(f"both readers agree on a random trace ({' '.join(arguments)})",
                     check_random(fmt, make_trace, folder, arguments))
        tap.case("the second reader refuses a changed byte",
                 check_changed(fmt, make_trace, folder))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
