#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmidiff as its users run it: statuses, outputs, complaints. Prints TAP."""

import json
import os

from tools import BUILD, SCENARIO, main, record, run, test

TINY_2 = os.path.join(BUILD, "fixtures/handlers/tiny-v2.so")


def truncated(path, count=60):
    """A copy of a trace without its last bytes."""
    cut = path + ".cut"
    with open(path, "rb") as whole, open(cut, "wb") as part:
        part.write(whole.read()[:-count])
    return cut


@test
def two_recordings_of_one_scenario_are_the_same(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt")
    out, err = run("vmidiff", a, b)
    assert out == (
        f"{a} -> {b}: same\n"
        "  event      10 same\n"
        "  response   10 same\n"
        "  effect     1 same\n"
        "  emission   10 same\n"
        "  output     1 same\n"
        "  end        1 same\n"
    ), out
    assert err == "", err
    assert run("vmidiff", "--quiet", a, b) == ("", "")


@test
def equal_behaviour_digests_are_the_same_to_vmidiff(folder):
    a = record(folder, "a.vmt")
    again = os.path.join(folder, "again.vmt")
    run("vmireplay", "-q", "--re-record", again, a)
    digests = [line.split()[0] for line in run("vmitrace", "digest", a, again)[0].splitlines()]
    assert digests[0] == digests[1]
    run("vmidiff", "--registers", a, again)


@test
def a_changed_handler_shows_what_it_no_longer_says(folder):
    a = record(folder, "a.vmt")
    b = os.path.join(folder, "b.vmt")
    run("vmireplay", "-q", "-H", TINY_2, "--re-record", b, a, status=1)
    out, err = run("vmidiff", "--max", "2", a, b, status=1)
    assert out == (
        f"{a} -> {b}: 8 differences: 8 removed\n"
        "  event      10 same\n"
        "  response   10 same\n"
        "  effect     1 same\n"
        "  emission   2 same, 8 removed\n"
        "  output     1 same\n"
        "  end        1 same\n"
        "\n"
        "callback 6 (event), event 2: write-cr, vCPU 0, rip 0x1010\n"
        "  - emission switch vcpu=0 from=0x11000 to=0x10000\n"
        "\n"
        "callback 8 (event), event 3: write-cr, vCPU 0, rip 0x1022\n"
        "  - emission switch vcpu=0 from=0x10000 to=0x11000\n"
        "\n"
        "... and 6 more differences\n"
    ), out
    assert err == "vmidiff: handler tiny 1 -> tiny 2\n", err


@test
def a_shorter_run_lacks_its_events_and_has_another_output(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt", "-O", "count=9")
    out, _ = run("vmidiff", a, b, status=1)
    assert out == (
        f"{a} -> {b}: 3 differences: 2 removed, 1 changed\n"
        "  event      9 same, 1 removed\n"
        "  response   9 same\n"
        "  effect     1 same\n"
        "  emission   9 same, 1 removed\n"
        "  output     0 same, 1 changed\n"
        "  end        1 same\n"
        "  callbacks  13 aligned, 1 only in the first run, 0 only in the second\n"
        "\n"
        "callback 20 (event), event 9: write-cr, vCPU 0, rip 0x1022; only in the first run\n"
        "  - event write-cr vcpu=0 flags=3 view=0 regs.rip=0x1022 cr.cr=1 cr.new_value=0x11000"
        " cr.old_value=0x10000\n"
        "  - emission switch vcpu=0 from=0x10000 to=0x11000\n"
        "\n"
        "callback 19 (poll)\n"
        "  in the first run: callback 21 (poll)\n"
        "  ~ output total\n"
        "      switches: 10 -> 9\n"
    ), out


@test
def json_says_the_same(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt", "-O", "count=9")
    out, _ = run("vmidiff", "--json", a, b, status=1)
    report = json.loads(out)
    assert report["result"] == "different" and report["count"] == 3, report
    assert report["summary"]["emission"] == {
        "same": 9, "removed": 1, "added": 0, "changed": 0, "moved": 0}, report
    changed = report["differences"][-1]
    assert changed["changed"] == [{"field": "switches", "from": 10, "to": 9}], changed
    assert changed["from"]["callback"] == 21 and changed["to"]["callback"] == 19, changed
    assert json.loads(run("vmidiff", "--json", a, a)[0])["differences"] == []


@test
def fields_and_kinds_can_be_left_out(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt", "-O", "count=9")
    out, _ = run("vmidiff", "--what", "said", a, b, status=1)
    assert "event " not in out.split("\n\n")[0], out
    out, _ = run("vmidiff", "--what", "said", "-i", "total.switches", a, b, status=1)
    assert "1 difference: 1 removed" in out, out


@test
def colours_are_for_terminals_or_when_asked_for(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt", "-O", "count=9")
    assert "\033" not in run("vmidiff", a, b, status=1)[0]
    assert "\033[31m- emission" in run("vmidiff", "--color", "always", a, b, status=1)[0]
    assert "\033" not in run("vmidiff", "--color", "never", a, b, status=1)[0]


@test
def a_trace_that_is_cut_is_never_the_same(folder):
    a = record(folder)
    cut = truncated(a)
    _, err = run("vmidiff", a, cut, status=3)
    assert f"{cut}: damaged" in err or f"{cut}: incomplete" in err, err
    no = os.path.join(folder, "no.vmt")
    with open(no, "wb") as f:
        f.write(b"this is no trace, only a text\n" * 8)
    assert no in run("vmidiff", a, no, status=3)[1]
    assert "gone.vmt" in run("vmidiff", a, os.path.join(folder, "gone.vmt"), status=2)[1]


@test
def an_unfinished_trace_is_compared_by_what_is_there_when_asked(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt")
    # All records are there: only the last bytes, behind the end, are lost.
    for path in (a, b):
        os.rename(truncated(path, 8), path)
    run("vmidiff", a, b, status=3)
    run("vmidiff", "--allow-cut", a, b)


@test
def runs_in_which_nothing_happened_are_not_judged(folder):
    scenario = os.path.join(folder, "s.scn")
    with open(scenario, "w") as f:
        f.write("domain vcpus=1\n0 at=0x1000 nop\n")
    paths = [os.path.join(folder, name) for name in ("a.vmt", "b.vmt")]
    for path in paths:
        run("vmirec", "-q", "-g", scenario, "-H", "tiny", "-o", path, "--max-seconds", "1")
    _, err = run("vmidiff", *paths, status=4)
    assert "nothing to compare" in err, err


@test
def wrong_words_are_status_2_with_a_sentence(folder):
    a = record(folder)
    for words in ([], [a], [a, a, a], ["--what", "all", a, a], ["--color", a, a], ["-n", "x", a, a]):
        _, err = run("vmidiff", *words, status=2)
        assert err.startswith("vmidiff: "), err


if __name__ == "__main__":
    raise SystemExit(main())
