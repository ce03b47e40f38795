#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Count single test cases in meson's testlog.json, and sum such counts.

  summary.py cases TESTLOG...   "P F S"; on stderr each failed case with what it said
  summary.py tap STATUS FILE    "P F S" of a program that meson did not run
  summary.py tables LOG         what each program printed; fails when one failed
  summary.py sum P F S [...]    the closing line; fails when a case failed or none ran
"""

import json
import os
import re
import sys

PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
CASE = re.compile(r"^(not )?ok\b[^#\n]*(#\s*skip\b)?", re.IGNORECASE | re.MULTILINE)


def count(entry):
    """(passed, failed, skipped) of one program that meson ran."""
    good = entry["result"] in ("OK", "SKIP")
    out = entry.get("stdout") or ""
    plan = PLAN.search(out)
    if not plan:
        if entry["result"] == "SKIP":
            return 0, 0, 1
        return (1, 0, 0) if good else (0, 1, 0)
    passed = failed = skipped = 0
    for bad, skip in CASE.findall(out):
        if skip:
            skipped += 1
        elif bad:
            failed += 1
        else:
            passed += 1
    # What the plan promised and a crash or a timeout kept from running has failed.
    failed += max(0, int(plan.group(1)) - passed - failed - skipped)
    if not good and not failed:
        failed = 1
    return passed, failed, skipped


def report(entry, failed):
    """What failed in one program: its bad cases with the comments that follow them."""
    print(f"{entry['name']}: {failed} failed ({entry['result']})", file=sys.stderr)
    told = False
    for line in (entry.get("stdout") or "").splitlines():
        if not line.startswith("#"):
            told = line.startswith("not ok")
        if told:
            print("  " + line, file=sys.stderr)


def cases(paths):
    total = [0, 0, 0]
    for path in paths:
        with open(path, encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                counts = count(entry)
                total = [a + b for a, b in zip(total, counts)]
                if counts[1]:
                    report(entry, counts[1])
    print(*total)


def tap(status, path):
    with open(path, encoding="utf-8", errors="replace") as file:
        print(*count({"result": "OK" if status == "0" else "FAIL", "stdout": file.read()}))


def tables(path):
    if not os.path.exists(path):
        print("no benchmark ran", file=sys.stderr)
        return 1
    with open(path, encoding="utf-8") as log:
        entries = [json.loads(line) for line in log]
    for entry in entries:
        good = entry["result"] == "OK"
        print(f"{entry['name']}" + ("" if good else f": {entry['result']}"))
        print(entry.get("stdout") or "", "" if good else entry.get("stderr") or "", sep="")
    return 0 if all(entry["result"] == "OK" for entry in entries) else 1


def closing_line(numbers):
    passed, failed, skipped = (sum(numbers[i::3]) for i in range(3))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    if not passed + failed:
        print("no test ran", file=sys.stderr)
    return 0 if passed and not failed else 1


def main(verb, *arguments):
    if verb == "cases":
        return cases(arguments)
    if verb == "tap":
        return tap(*arguments)
    if verb == "tables":
        return tables(*arguments)
    return closing_line([int(number) for number in arguments])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
