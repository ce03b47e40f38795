#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmitrace cut, export and grep as their users run them. Prints TAP."""

import json
import os

from tools import BUILD, SOURCE, main, record, run, test

TINY_2 = os.path.join(BUILD, "fixtures/handlers/tiny-v2.so")


def dump(path):
    return [json.loads(line) for line in run("vmitrace", "dump", "--json", path)[0].splitlines()]


def breakpoints(folder):
    """A trace with reads, writes, views and pages."""
    path = os.path.join(folder, "b.vmt")
    scenario = os.path.join(SOURCE, "fixtures/scenarios/processes.scn")
    run("vmirec", "-q", "-g", scenario, "-H", "breakpoint", "-O", "at=0x2000", "-O", "physical=true", "-o", path)
    return path


@test
def a_trace_cut_after_an_event_is_the_beginning_of_the_whole(folder):
    path, cut = record(folder), os.path.join(folder, "cut.vmt")
    out, _ = run("vmitrace", "cut", "--to", "4", path, cut)
    whole, part = dump(path), dump(cut)
    assert part[:-1] == whole[: len(part) - 1]
    assert out == f"{cut}: {len(part) - 1} records\n", out
    assert part[-1]["kind"] == "end" and part[-1]["reason"] == 8, part[-1]
    assert sum(r["kind"] == "event" for r in part) == 5
    assert whole[len(part) - 1]["kind"] == "event", whole[len(part) - 1]
    assert os.stat(cut).st_size < os.stat(path).st_size
    run("vmitrace", "check", cut)
    info = json.loads(run("vmitrace", "info", "--json", cut)[0])
    assert info["end"] == "cut" and info["complete"] is True, info


@test
def a_cut_trace_replays_as_the_whole_does_that_far(folder):
    path, cut = record(folder), os.path.join(folder, "cut.vmt")
    run("vmitrace", "cut", "--to", "4", path, cut)
    run("vmireplay", cut, status=3)
    out, _ = run("vmireplay", "--allow-cut", "--match", "strict", "--json", cut)
    report = json.loads(out)
    assert report["delivered"] == 5 and report["differences"] == 0, report
    # A changed handler differs at the same place, in the same way.
    firsts = []
    for trace in (path, cut):
        out, _ = run("vmireplay", "--allow-cut", "--json", "-H", TINY_2, trace, status=1)
        first = json.loads(out)["first"]
        del first["look"]  # it names the trace
        firsts.append(first)
    assert firsts[0] == firsts[1] and firsts[0]["event"] == 2, firsts


@test
def each_cut_of_a_trace_replays(folder):
    path, cut = breakpoints(folder), os.path.join(folder, "cut.vmt")
    events = sum(r["kind"] == "event" for r in dump(path))
    assert events > 5
    for last in range(events - 1):
        run("vmitrace", "cut", "-f", "--to", str(last), path, cut)
        out, _ = run("vmireplay", "--allow-cut", "--match", "strict", "--json", cut)
        report = json.loads(out)
        assert report["delivered"] == last + 1 and report["misses"] == 0, (last, report)


@test
def a_cut_behind_the_last_event_is_the_whole(folder):
    path, cut = breakpoints(folder), os.path.join(folder, "cut.vmt")
    _, err = run("vmitrace", "cut", "--to", "99999", path, cut)
    assert "all of them are taken" in err, err
    digests = [line.split()[:2] for line in run("vmitrace", "digest", path, cut)[0].splitlines()]
    assert digests[0] == digests[1]
    run("vmireplay", cut)


@test
def an_inspection_trace_holds_what_was_asked_for_and_is_not_replayed(folder):
    path, part = record(folder), os.path.join(folder, "part.vmt")
    out, _ = run("vmitrace", "cut", "--from", "2", "--to", "3", path, part)
    assert out.endswith(" records, for inspection\n"), out
    records = dump(part)
    assert [r["kind"] for r in records[:3]] == ["meta", "attribute", "event"], records[:3]
    assert sum(r["kind"] == "event" for r in records) == 2
    assert [r for r in dump(path) if r["kind"] == "emission"][2:4][0]["values"] == [
        r for r in records if r["kind"] == "emission"][0]["values"]
    for words in ([], ["--allow-cut"]):
        _, err = run("vmireplay", *words, part, status=3)
        assert "inspection trace" in err, err
    _, err = run("vmidiff", part, part)
    assert "only a part" in err, err


@test
def filters_take_events_of_a_vcpu_a_reason_or_records_of_a_kind(folder):
    path = breakpoints(folder)
    part = os.path.join(folder, "part.vmt")
    kinds = {r["kind"] for r in dump(path)}
    assert {"write", "read", "emission"} <= kinds, kinds
    run("vmitrace", "cut", "-k", "emission", "-k", "write", path, part)
    assert {r["kind"] for r in dump(part)} == {"meta", "attribute", "emission", "write", "end"}
    run("vmitrace", "cut", "-f", "--vcpu", "7", path, part)
    assert {r["kind"] for r in dump(part)} == {"meta", "attribute", "end"}
    run("vmitrace", "cut", "-f", "--reason", "interrupt", path, part)
    events = [r for r in dump(part) if r["kind"] == "event"]
    assert events and len({r["reason"] for r in events}) == 1, events
    assert len(events) == sum(r["kind"] == "event" and r["reason"] == events[0]["reason"]
                              for r in dump(path))


@test
def a_cut_needs_a_part_and_keeps_what_is_there(folder):
    path = record(folder)
    for words in ([], ["--from", "5", "--to", "4"], ["-k", "nothing"], ["--reason", "nothing"]):
        _, err = run("vmitrace", "cut", *words, path, os.path.join(folder, "x"), status=2)
        assert err.startswith("vmitrace: "), err
    assert os.listdir(folder) == ["x.vmt"], os.listdir(folder)
    other = record(folder, "other.vmt")
    with open(other, "rb") as f:
        before = f.read()
    run("vmitrace", "cut", "--to", "1", path, other, status=7)
    with open(other, "rb") as f:
        assert f.read() == before


@test
def grep_prints_the_records_in_which_a_pattern_stands(folder):
    path = record(folder)
    out, _ = run("vmitrace", "grep", "--json", "0x12000|0x11000", path)
    found = [json.loads(line) for line in out.splitlines()]
    wanted = [r for r in dump(path) if "0x11000" in json.dumps(r) or "0x12000" in json.dumps(r)]
    assert found == wanted and found, len(found)
    out, _ = run("vmitrace", "grep", "--count", "-i", "-k", "emission", "ADDR", path)
    assert out == "10\n", out
    out, _ = run("vmitrace", "grep", "-n", "1", "-k", "emission", "addr", path)
    assert out.startswith("12 2 loop emission schema=0 "), out
    run("vmitrace", "grep", "no such thing", path, status=1)
    _, err = run("vmitrace", "grep", "(", path, status=2)
    assert "'('" in err, err
    run("vmitrace", "grep", "-k", "nothing", "x", path, status=2)


@test
def grep_finds_bytes_of_guest_memory(folder):
    path = breakpoints(folder)
    out, _ = run("vmitrace", "grep", "--bytes", "--json", "-k", "write", "cc", path)
    found = [json.loads(line) for line in out.splitlines()]
    assert found and all("cc" in r["data"] + r.get("before", "") for r in found), found
    run("vmitrace", "grep", "--bytes", "deadbeefdeadbeef", path, status=1)
    for wrong in ("c", "xy", ""):
        run("vmitrace", "grep", "--bytes", wrong, path, status=2)
    page = [r for r in dump(path) if r["kind"] == "read" and r.get("page")]
    assert page, "the trace has no pages"


@test
def export_to_json_lines_has_names_for_numbers(folder):
    out, _ = run("vmitrace", "export", record(folder))
    lines = [json.loads(line) for line in out.splitlines()]
    first = next(line for line in lines if line["kind"] == "emission")
    assert first == {
        "callback": 2, "now": 2000, "event": 0, "vcpu": 0, "reason": "write-cr",
        "kind": "emission", "name": "switch",
        "fields": {"vcpu": 0, "from": "0x0", "to": "0x10000"}}, first
    kinds = [line["kind"] for line in lines]
    assert kinds.count("event") == 10 and kinds.count("emission") == 10, kinds
    assert lines[-1]["kind"] == "end" and lines[-1]["fields"]["how"] == "finished", lines[-1]
    out, _ = run("vmitrace", "export", "--registers", os.path.join(folder, "x.vmt"))
    assert '"regs.cr3"' in out


@test
def export_to_chrome_has_a_track_for_each_vcpu_and_one_for_the_handler(folder):
    out, _ = run("vmitrace", "export", "--format", "chrome", record(folder))
    trace = json.loads(out)
    events = trace["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert sorted(names.values()) == ["handler", "vCPU 0"], names
    instants = [e for e in events if e["ph"] == "i"]
    assert all(e["tid"] in names and e["ts"] >= 0 for e in instants)
    first = next(e for e in instants if e["cat"] == "event")
    assert first["name"] == "write-cr" and first["ts"] == 2.0, first
    assert sum(e["cat"] == "emission" for e in instants) == 10


@test
def what_is_exported_of_a_cut_trace_is_status_3(folder):
    path = record(folder)
    with open(path, "r+b") as f:
        f.truncate(os.stat(path).st_size - 8)
    out, err = run("vmitrace", "export", path, status=3)
    assert len(out.splitlines()) > 20 and "x.vmt" in err, err


if __name__ == "__main__":
    raise SystemExit(main())
