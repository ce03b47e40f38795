#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tools as their users run them: statuses, outputs, complaints. Prints TAP."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

SOURCE, BUILD = sys.argv[1:3]
SCENARIO = os.path.join(SOURCE, "fixtures/scenarios/processes.scn")
tests = []


def test(function):
    tests.append(function)
    return function


def run(tool, *words, status=0, stdin=None):
    """Run a tool and return (stdout, stderr); fails when it exits with another status."""
    done = subprocess.run(
        [os.path.join(BUILD, "tools", tool), *words], input=stdin, capture_output=True, timeout=60
    )
    out = done.stdout.decode(errors="replace")
    err = done.stderr.decode(errors="replace")
    assert done.returncode == status, f"{tool} {words}: status {done.returncode}\n{out}\n{err}"
    return out, err


def record(folder, name="x.vmt", *words):
    path = os.path.join(folder, name)
    run("vmirec", "-b", "scripted", "-g", SCENARIO, "-H", "tiny", "-o", path, *words)
    return path


@test
def each_tool_has_help_version_man_page_and_completion(folder):
    for tool in ("vmirec", "vmitrace", "vmireplay", "vmidiff"):
        out, _ = run(tool, "--help")
        assert out.startswith(f"Usage: {tool}"), out
        out, _ = run(tool, "--version")
        assert re.fullmatch(rf"{tool} \d+\.\d+\.\d+\n", out), out
        out, _ = run(tool, "--print-man")
        assert out.startswith(f"{tool}(1)\n"), out
        out, _ = run(tool, "--print-completion")
        script = os.path.join(folder, tool)
        with open(script, "w") as f:
            f.write(out)
        subprocess.run(["bash", "-n", script], check=True)


@test
def help_man_page_and_completion_name_each_option(folder):
    for words in (["vmirec"], ["vmireplay"], ["vmidiff"], ["vmitrace", "dump"]):
        tool = words[0]
        out, _ = run(*words, "--help")
        names = set(re.findall(r"--([a-z-]+)", out.split("Options:")[1])) - {"help", "version"}
        assert len(names) >= 4, names
        for other in ("--print-man", "--print-completion"):
            text, _ = run(tool, other)
            for name in names:
                assert f"--{name}" in text, (tool, other, name)


@test
def wrong_words_are_status_2_with_a_sentence(folder):
    for tool, *words in (
        ("vmirec", "--nothing"),
        ("vmirec", "-H", "tiny"),
        ("vmirec", "-o", "x.vmt"),
        ("vmirec", "-H", "no-such-handler", "-g", SCENARIO, "-o", "x.vmt"),
        ("vmirec", "-H", "tiny", "-O", "count", "-g", SCENARIO, "-o", "x.vmt"),
        ("vmirec", "-H", "tiny", "-o", "x.vmt"),
        ("vmirec", "-b", "xbox", "-H", "tiny", "-o", "x.vmt"),
        ("vmirec", "-b", "xen", "-H", "tiny", "-o", "x.vmt"),
        ("vmirec", "-b", "xen", "-g", SCENARIO, "-d", "guest", "-H", "tiny", "-o", "x.vmt"),
        ("vmirec", "-b", "scripted", "-g", SCENARIO, "-d", "guest", "-H", "tiny", "-o", "x.vmt"),
        ("vmitrace",),
        ("vmitrace", "fly"),
        ("vmitrace", "info"),
        ("vmitrace", "dump", "--kind", "nothing", "x.vmt"),
        ("vmireplay",),
        ("vmireplay", "--break-at", "3", "x.vmt"),
        ("vmireplay", "--re-record", "y.vmt", "x.vmt", "x.vmt"),
    ):
        _, err = run(tool, *words, status=2)
        assert tool == "vmitrace" and not words or err.startswith(f"{tool}: "), err


@test
def the_bundled_handlers_are_listed(folder):
    out, _ = run("vmirec", "--list-handlers")
    assert [line.split()[0] for line in out.splitlines()] == ["breakpoint", "cr3", "events", "pagewatch", "tiny"], out


@test
def a_recorded_trace_is_whole_and_says_what_it_is(folder):
    path = record(folder)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert not os.path.exists(path + ".partial")
    out, _ = run("vmitrace", "check", path)
    assert out == f"{path}: whole\n", out
    out, _ = run("vmitrace", "info", "--json", path)
    info = json.loads(out)
    assert info["backend"] == "scripted" and info["handler"] == "tiny", info
    assert info["complete"] is True and info["xen"] == "4.17", info
    assert info["events"] == 10, info  # tiny finishes after 10 switches
    text, _ = run("vmitrace", "info", path)
    assert re.search(r"^backend +scripted$", text, re.M), text


@test
def dump_is_a_line_for_each_record(folder):
    path = record(folder)
    out, _ = run("vmitrace", "dump", "--json", path)
    records = [json.loads(line) for line in out.splitlines()]
    assert records[0]["kind"] == "meta" and records[-1]["kind"] == "end", records[-1]
    assert [r["position"] for r in records] == list(range(len(records)))
    emissions = [r for r in records if r["kind"] == "emission"]
    assert len(emissions) == 10
    text, _ = run("vmitrace", "dump", path)
    assert len(text.splitlines()) == len(records)
    out, _ = run("vmitrace", "dump", "--json", "--kind", "emission", "-n", "3", path)
    assert [json.loads(line) for line in out.splitlines()] == emissions[:3]


@test
def show_begins_at_the_event_and_ends_before_the_next(folder):
    path = record(folder)
    out, _ = run("vmitrace", "show", "--json", "--event", "3", path)
    kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert kinds[0] == "event" and kinds.count("event") == 1 and "emission" in kinds, kinds
    _, err = run("vmitrace", "show", "--event", "9999", path, status=2)
    assert "9999" in err, err


@test
def each_capture_policy_replays_and_re_records_to_equal_digests(folder):
    behaviour, sizes = set(), []
    for policy in ("reads", "pages", "context", "memory"):
        path = record(folder, f"{policy}.vmt", "--capture", policy)
        again = os.path.join(folder, f"{policy}-again.vmt")
        run("vmireplay", "-q", "--re-record", again, path)
        out, _ = run("vmitrace", "digest", path, again)
        lines = [line.split()[:2] for line in out.splitlines()]
        assert lines[0] == lines[1], (policy, out)
        behaviour.add(lines[0][0])
        out, _ = run("vmitrace", "dump", path)
        sizes.append(len(out.splitlines()))
    assert len(behaviour) == 1, behaviour
    assert sizes == sorted(sizes) and sizes[3] == sizes[2] + 2 * 256, sizes


@test
def two_recordings_of_one_scenario_have_equal_digests(folder):
    a, b = record(folder, "a.vmt"), record(folder, "b.vmt")
    out, _ = run("vmitrace", "digest", a, b)
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:2] == lines[1][:2], out
    assert re.fullmatch("[0-9a-f]{32}", lines[0][0]), out
    c = record(folder, "c.vmt", "-O", "count=3")
    out, _ = run("vmitrace", "digest", c)
    assert out.split()[:2] != lines[0][:2]


@test
def limits_end_a_recording_with_status_0(folder):
    path = record(folder, "x.vmt", "--max-events", "4")
    out, _ = run("vmitrace", "info", "--json", path)
    info = json.loads(out)
    assert info["events"] == 4 and info["end"] == "event limit", info
    path = record(folder, "y.vmt", "-O", "count=0", "--max-seconds", "5")
    out, _ = run("vmitrace", "info", "--json", path)
    assert json.loads(out)["end"] == "time limit", out


@test
def an_existing_trace_is_not_overwritten_unless_asked(folder):
    path = record(folder)
    with open(path, "rb") as f:
        before = f.read()
    words = ["-b", "scripted", "-g", SCENARIO, "-H", "tiny", "-O", "count=2", "-o", path]
    run("vmirec", *words, status=7)
    with open(path, "rb") as f:
        assert f.read() == before
    run("vmirec", *words, "--replace")
    with open(path, "rb") as f:
        assert f.read() != before


@test
def a_trace_goes_through_a_pipe(folder):
    words = ["-q", "-b", "scripted", "-g", SCENARIO, "-H", "tiny", "-o", "-"]
    done = subprocess.run(
        [os.path.join(BUILD, "tools/vmirec"), *words], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [os.path.join(BUILD, "tools/vmitrace"), "digest", "-"],
        input=done.stdout,
        capture_output=True,
        timeout=60,
    )
    out, _ = run("vmitrace", "digest", record(folder))
    assert done.stdout.split()[:2] == out.encode().split()[:2], done.stderr


@test
def a_cut_trace_is_status_3_and_can_be_recovered(folder):
    path = record(folder)
    with open(path, "rb") as f:
        whole = f.read()
    cut = os.path.join(folder, "cut.vmt")
    with open(cut, "wb") as f:
        f.write(whole[: len(whole) - 60])
    out, err = run("vmitrace", "check", cut, status=3)
    assert out == f"{cut}: not whole\n" and "cut; lost from callback" in err, (out, err)
    again = os.path.join(folder, "again.vmt")
    run("vmitrace", "recover", cut, again)
    out, _ = run("vmitrace", "check", again)
    with open(os.path.join(folder, "no.vmt"), "wb") as f:
        f.write(b"this is no trace, only a text\n" * 8)
    _, err = run("vmitrace", "info", os.path.join(folder, "no.vmt"), status=3)
    assert "no.vmt" in err, err


@test
def a_failing_domain_is_status_6_and_a_wrong_scenario_2(folder):
    scenario = os.path.join(folder, "s.scn")
    with open(scenario, "w") as f:
        f.write("domain vcpus=1\n0 at=0x1000 nop\nworld wait-fail 5\n")
    path = os.path.join(folder, "x.vmt")
    _, err = run("vmirec", "-g", scenario, "-H", "tiny", "-o", path, status=6)
    assert "vmirec: wait" in err, err
    with open(scenario, "w") as f:
        f.write("domain vcpus=1\n0 at=0x1000 fly\n")
    _, err = run("vmirec", "-g", scenario, "-H", "tiny", "-o", path, "-f", status=2)
    assert "s.scn:2" in err, err


@test
def without_xen_its_backend_is_status_6_with_a_sentence(folder):
    if os.path.exists("/proc/xen/privcmd") or os.path.exists("/dev/xen/privcmd"):
        return  # the Xen lab's tests see to that
    path = os.path.join(folder, "x.vmt")
    _, err = run("vmirec", "-b", "xen", "-d", "guest", "-H", "tiny", "-o", path, status=6)
    assert err.startswith("vmirec: xen: "), err
    assert not os.listdir(folder), os.listdir(folder)


@test
def a_handler_that_crashes_is_status_5_and_its_trace_has_all_up_to_there(folder):
    path = os.path.join(folder, "x.vmt")
    handler = os.path.join(BUILD, "fixtures/handlers/crasher.so")
    _, err = run("vmirec", "-g", SCENARIO, "-H", handler, "-o", path, status=5)
    assert "the handler crashed" in err, err
    assert os.listdir(folder) == ["x.vmt.partial"], os.listdir(folder)
    out, _ = run("vmitrace", "dump", "--json", path + ".partial", status=3)
    records = [json.loads(line) for line in out.splitlines()]
    assert sum(r["kind"] == "event" for r in records) == 3, out
    assert records[-1]["kind"] == "crash" and records[-1]["signal"] == 11, records[-1]


@test
def a_killed_session_loses_no_record(folder):
    path = os.path.join(folder, "x.vmt")
    scenario = os.path.join(folder, "s.scn")
    with open(SCENARIO) as f:
        text = f.read()
    with open(scenario, "w") as f:
        f.write(re.sub(r"^domain (.*)$", r"domain \1 idle", text, count=1, flags=re.M))
    words = ["-q", "-g", scenario, "-H", "tiny", "-O", "count=0", "-o", path]
    session = subprocess.Popen([os.path.join(BUILD, "tools/vmirec"), *words])
    deadline = time.monotonic() + 30
    while not (os.path.exists(path + ".partial") and os.path.getsize(path + ".partial") > 100):
        assert time.monotonic() < deadline, "no record came"
        time.sleep(0.05)
    session.kill()
    session.wait()
    kinds = []
    while "crash" not in kinds:
        assert time.monotonic() < deadline, kinds
        time.sleep(0.05)
        out, _ = run("vmitrace", "dump", "--json", path + ".partial", status=3)
        kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert kinds.count("emission") == 41, kinds


@test
def the_doctor_says_that_there_is_no_xen_with_status_6(folder):
    if os.path.exists("/proc/xen/privcmd") or os.path.exists("/dev/xen/privcmd"):
        return  # the Xen lab's tests see to that
    out, _ = run("vmirec", "doctor", status=6)
    assert re.match(r"no +(privcmd|module) ", out), out
    assert "dom0" in out or "libxen-dev" in out, out
    out, _ = run("vmirec", "doctor", "--json", "--domain", "guest", status=6)
    report = json.loads(out)
    assert report["verdict"] == "no" and report["capabilities"] == [], report
    assert len(report["checks"]) == 1 and report["checks"][0]["found"], report


@test
def verbs_stand_beside_recording(folder):
    out, _ = run("vmirec", "--help")
    assert "doctor" in out and "rescue" in out, out
    out, _ = run("vmirec", "rescue", "--help")
    assert out.startswith("Usage: vmirec rescue"), out
    _, err = run("vmirec", "rescue", status=2)
    assert "DOMAIN" in err, err
    _, err = run("vmirec", "fly", status=2)
    assert err.startswith("vmirec: "), err
    out, _ = run("vmirec", "--print-man")
    assert "# doctor" in out and "# rescue" in out and "# OPTIONS" in out, out


@test
def an_unchanged_handler_replays_the_same_and_re_records_to_equal_digests(folder):
    path = record(folder)
    out, _ = run("vmireplay", "-H", "tiny", path)
    assert "same" in out.splitlines()[-1], out
    again = os.path.join(folder, "again.vmt")
    run("vmireplay", "-q", "--re-record", again, path)
    out, _ = run("vmitrace", "digest", path, again)
    lines = [line.split()[:2] for line in out.splitlines()]
    assert lines[0] == lines[1], out
    out, _ = run("vmireplay", "--match", "strict", "--json", path)
    report = json.loads(out)
    assert report["verdict"] == "same" and report["first"] is None, report


@test
def a_changed_handler_is_status_1_with_the_first_difference(folder):
    path = record(folder)
    changed = os.path.join(BUILD, "fixtures/handlers/tiny-v2.so")
    out, _ = run("vmireplay", "-H", changed, path, status=1)
    assert "emission" in out and "different" in out.splitlines()[-1], out
    out, _ = run("vmireplay", "--json", "-H", changed, path, status=1)
    first = json.loads(out)["first"]
    assert first["difference"] == "emission" and first["event"] == 2, first


@test
def a_cut_trace_is_not_judged_the_same(folder):
    path = record(folder)
    with open(path, "rb") as f:
        whole = f.read()
    with open(path, "wb") as f:
        f.write(whole[: len(whole) - 60])
    run("vmireplay", "-H", "tiny", path, status=3)


@test
def a_handler_that_a_trace_names_is_never_loaded(folder):
    path = os.path.join(folder, "x.vmt")
    changed = os.path.join(BUILD, "fixtures/handlers/tiny-v2.so")
    run("vmirec", "-g", SCENARIO, "-H", changed, "-o", path)
    # Its name is "tiny", which is a bundled handler: that one runs, and differs.
    run("vmireplay", path, status=1)
    _, err = run("vmireplay", "-H", os.path.join(folder, "no.so"), path, status=2)
    assert "no.so" in err, err


def main():
    failed = 0
    print(f"1..{len(tests)}")
    for number, function in enumerate(tests, 1):
        name = function.__name__
        with tempfile.TemporaryDirectory(prefix="vmitape-tools-") as folder:
            try:
                function(folder)
                print(f"ok {number} - {name}")
            except Exception as error:  # each failure is one failed case
                failed += 1
                print(f"not ok {number} - {name}")
                for line in f"{type(error).__name__}: {error}".splitlines():
                    print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
