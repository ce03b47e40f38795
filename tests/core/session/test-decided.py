#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold docs/decided.md against the tests: each one that it names is there and is run.

  test-decided.py ROOT

The first cases are made-up pages that are wrong, so that a checker that sees nothing does not pass.
"""

import os
import re
import sys

HOME = "tests/core/session"
ROW = re.compile(r"^\| (.+) \| (.+) \|$")
NAMED = re.compile(r"`([a-z0-9_]+)`(?: \((tests/[a-z/]+)\))?")
# static void f(void **state), FLAT_TEST(f)
DEFINED = re.compile(r"^(?:static void |[A-Z_]+TEST\()([a-z0-9_]+)\b", re.M)
# In the list of tests: cmocka_unit_test(f), cmocka_unit_test_setup(f, g), WORLD_TEST(f)
RUN = re.compile(r"^\t+(?:cmocka_unit_test\w*|[A-Z_]+TEST)\(\s*([a-z0-9_]+)", re.M)


def tests_of(root):
    """For each folder under tests/, the names of the tests that its programs run."""
    tests = {}
    for folder, _, files in os.walk(os.path.join(root, "tests")):
        here = tests.setdefault(os.path.relpath(folder, root), set())
        for name in files:
            if re.match(r"test-.*\.c$", name):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text = file.read()
                here |= set(DEFINED.findall(text)) & set(RUN.findall(text))
    return tests


def check(page, tests):
    """What is wrong with PAGE, a list of sentences."""
    problems = []
    rows = 0
    for number, line in enumerate(page.splitlines(), 1):
        row = ROW.match(line)
        if line.startswith("|") and not row:
            problems.append(f"line {number}: not a row of two columns")
        if not row or row[1] in ("sentence", "---"):
            continue
        rows += 1
        if row[2].startswith("of "):  # where the promise is kept, when not here
            continue
        named = NAMED.findall(row[2])
        if not named:
            problems.append(f"line {number}: no test for: {row[1]}")
        for name, folder in named:
            if name not in tests.get(folder or HOME, ()):
                problems.append(f"line {number}: {folder or HOME} runs no test {name}")
    return problems if rows else ["there is no row"]


MADE_UP = {HOME: {"it_works"}, "tests/core": {"it_walks"}}
WRONG_PAGES = [
    ("an_empty_page_is_noticed", "nothing", "no row"),
    ("a_test_that_is_not_there_is_noticed", "| a | `it_flies` |", "it_flies"),
    ("a_test_of_another_folder_is_noticed", "| a | `it_walks` |", "it_walks"),
    ("a_sentence_without_a_test_is_noticed", "| a | none |", "no test for: a"),
]
RIGHT_PAGE = "| sentence | tests |\n|---|---|\n| a | `it_works`, `it_walks` (tests/core) |\n| b | of others |"


def main():
    root = sys.argv[1]
    results = []
    for name, page, words in WRONG_PAGES:
        found = check(page, MADE_UP)
        results.append((name, [] if len(found) == 1 and words in found[0] else [f"found {found}"]))
    results.append(("a_right_page_passes", check(RIGHT_PAGE.replace("|---|---|\n", ""), MADE_UP)))
    with open(os.path.join(root, "docs/decided.md"), encoding="utf-8") as file:
        page = re.sub(r"^\|---\|---\|$\n", "", file.read(), flags=re.M)
    results.append(("each_test_that_decided_md_names_is_run", check(page, tests_of(root))))
    print(f"1..{len(results)}")
    for number, (name, problems) in enumerate(results, 1):
        print("not ok" if problems else "ok", number, "-", name)
        for problem in problems:
            print("#", problem)
    return 1 if any(problems for _, problems in results) else 0


if __name__ == "__main__":
    sys.exit(main())
