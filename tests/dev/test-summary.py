#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test how dev.d/summary.py counts test cases: nothing that did not pass may look as if it had."""

import contextlib
import io
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../dev.d"))
import summary  # noqa: E402 (the path above comes first)

# Name, meson's verdict on the program, its output, (passed, failed, skipped).
COUNTS = [
    ("each_passed_case_counts", "OK", "1..2\nok 1 - a\nok 2 - b\n", (2, 0, 0)),
    ("each_failed_case_counts", "ERROR", "1..3\nok 1 - a\nnot ok 2 - b\nnot ok 3 - c\n", (1, 2, 0)),
    ("a_plan_at_the_end_is_a_plan", "OK", "ok 1 - a\nok 2 - b\n1..2\n", (2, 0, 0)),
    ("cases_that_a_crash_kept_from_running_failed", "ERROR", "1..4\nok 1 - a\n", (1, 3, 0)),
    ("a_timeout_without_a_failed_case_is_a_failure", "TIMEOUT", "1..1\nok 1 - a\n", (1, 1, 0)),
    ("a_leak_after_the_last_case_is_a_failure", "ERROR", "1..1\nok 1 - a\n", (1, 1, 0)),
    ("a_crash_before_a_plan_at_the_end_is_a_failure", "ERROR", "ok 1 - a\n", (0, 1, 0)),
    ("a_skipped_case_did_not_pass", "OK", "1..2\nok 1 - a\nok 2 - b # SKIP no Xen\n", (1, 0, 1)),
    ("what_cmocka_skips_did_not_pass", "ERROR", "1..2\nok 1 - a\nnot ok 2 # SKIP b\n", (1, 1, 1)),
    ("a_comment_is_no_case", "OK", "1..1\n# not ok - group\nok 1 - a\n# ok 2\n", (1, 0, 0)),
    ("a_name_that_holds_ok_is_one_case", "OK", "1..1\nok 1 - it is not ok to fail\n", (1, 0, 0)),
    ("a_program_without_tap_is_one_case", "OK", "hello\n", (1, 0, 0)),
    ("a_failed_program_without_tap_failed", "FAIL", "", (0, 1, 0)),
    ("a_skipped_program_did_not_pass", "SKIP", "", (0, 0, 1)),
]

# Name, counts, the closing line, exit status.
CLOSING = [
    ("all_passed_is_status_0", [2, 0, 0], "2 passed, 0 failed", 0),
    ("one_failed_is_status_1", [2, 1, 0], "2 passed, 1 failed", 1),
    ("nothing_run_is_status_1", [0, 0, 0], "0 passed, 0 failed", 1),
    ("all_skipped_is_status_1", [0, 0, 3], "0 passed, 0 failed, 3 skipped", 1),
    ("counts_of_several_runs_are_added", [2, 0, 1, 3, 0, 0], "5 passed, 0 failed, 1 skipped", 0),
]


def closing(numbers):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = summary.closing_line(numbers)
    return out.getvalue().strip(), status


def main():
    results = [(name, summary.count({"result": result, "stdout": out}), want)
               for name, result, out, want in COUNTS]
    results += [(name, closing(numbers), (line, status))
                for name, numbers, line, status in CLOSING]
    print(f"1..{len(results)}")
    for number, (name, got, want) in enumerate(results, 1):
        print("ok" if got == want else "not ok", number, "-", name)
        if got != want:
            print(f"# wanted {want}, got {got}")
    return 0 if all(got == want for _, got, want in results) else 1


if __name__ == "__main__":
    sys.exit(main())
