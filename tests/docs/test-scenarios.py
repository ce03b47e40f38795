#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold docs/vmi-rs-scenarios.md to the tests: each test that its last column names exists.

  test-scenarios.py ROOT
"""

import glob
import os
import re
import sys


def rows(page):
    """(section, cells) of each row of each table, heads left out."""
    section = ""
    for line in page.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not cells[0].startswith("group"):
                yield section, cells


def main(root):
    with open(os.path.join(root, "docs", "vmi-rs-scenarios.md"), encoding="utf-8") as file:
        page = file.read()
    sources = ""
    for path in glob.glob(os.path.join(root, "tests", "**", "test-*.c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            sources += file.read()
    number = failed = 0
    for section, cells in rows(page):
        number += 1
        names = re.findall(r"`([a-z0-9_]{12,})`", cells[-1])
        missing = [name for name in names if not re.search(rf"\b{name}\b", sources)]
        good = not missing and cells[1].isdigit()
        failed += not good
        name = re.sub(r"[^a-z0-9]+", "_", f"{section} {cells[0]}".lower())
        print("ok" if good else "not ok", number, "-", name)
        for lost in missing:
            print(f"# there is no test {lost}")
    print(f"1..{number}")
    return 1 if failed or number < 20 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
