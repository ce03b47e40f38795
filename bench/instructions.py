#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Print a table of instructions per operation, counted by callgrind.

  instructions.py PROGRAM [COUNT]

PROGRAM without arguments prints its cases, one a line; PROGRAM CASE N does the case N times. Each
case is run COUNT and 2 * COUNT times, and the difference counts: so what the program does once is
left out. Counts of instructions are the same on each run and each machine of one kind.
"""

import re
import subprocess
import sys


def collected(program, case, count):
    ran = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, case,
         str(count)], capture_output=True, text=True, check=False)
    total = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or not total:
        sys.exit(f"{program} {case} {count}: exit status {ran.returncode}\n{ran.stderr}")
    return int(total[1])


def main(program, count=2000):
    cases = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    if not cases:
        sys.exit(f"{program}: names no case")
    width = max(map(len, cases))
    print(f"{'case':{width}}  instructions")
    for case in cases:
        once, twice = (collected(program, case, n) for n in (count, 2 * count))
        print(f"{case:{width}}  {(twice - once) / count:12.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
