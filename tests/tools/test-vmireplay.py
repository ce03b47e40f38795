#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmireplay in CI: expectations, corpora, shards, formats, handlers that break. Prints TAP."""

import json
import os
import shutil
import xml.etree.ElementTree as ElementTree

from tools import BUILD, SCENARIO, main, record, run, test

TINY_2 = os.path.join(BUILD, "fixtures/handlers/tiny-v2.so")
BROKEN = os.path.join(BUILD, "fixtures/handlers/broken.so")


def corpus(folder, count=6):
    """A folder of traces of several lengths, one of them in a folder below."""
    traces = os.path.join(folder, "traces")
    os.makedirs(os.path.join(traces, "more"))
    for i in range(count):
        record(traces, f"more/{i}.vmt" if i == 3 else f"{i}.vmt", "-O", f"count={i + 3}")
    return traces


def lines(path):
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines(keepends=True)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(text))


@test
def an_expectation_is_accepted_and_then_compared_with(folder):
    path = record(folder)
    expected = os.path.join(folder, "x.expect.jsonl")
    run("vmireplay", "-H", TINY_2, path, status=1)
    out, _ = run("vmireplay", "--accept", "-H", TINY_2, path)
    assert out.startswith(f"accepted: {expected}\n"), out
    text = lines(expected)
    assert len(text) == 5 and json.loads(text[-1]) == {"end": "finished"}, text
    assert json.loads(text[0])["handler"] == "tiny", text[0]
    # The new version is as expected, and the one that was recorded no longer is.
    out, _ = run("vmireplay", "-H", TINY_2, path)
    assert out.startswith(f"as expected: {expected}\n"), out
    out, _ = run("vmireplay", path, status=1)
    assert f"{expected} -> {path}: 8 differences: 8 added\n" in out, out
    assert "  + emission switch vcpu=0 from=0x11000 to=0x10000\n" in out, out
    # It can be set aside.
    run("vmireplay", "--no-expect", path)
    run("vmireplay", "--no-expect", "-H", TINY_2, path, status=1)
    # Accepting again writes the same, and nothing else.
    run("vmireplay", "--accept", "-H", TINY_2, path)
    assert lines(expected) == text
    assert sorted(os.listdir(folder)) == ["x.expect.jsonl", "x.vmt"], os.listdir(folder)


@test
def a_value_that_changes_is_shown_with_what_was_expected(folder):
    path = record(folder)
    expected = os.path.join(folder, "x.expect.jsonl")
    run("vmireplay", "--accept", path)
    text = lines(expected)
    write(expected, [line.replace('"switches":10', '"switches":9') for line in text])
    out, _ = run("vmireplay", path, status=1)
    assert "  ~ output total\n      switches: 9 -> 10\n" in out, out
    report = json.loads(run("vmireplay", "--json", path, status=1)[0])
    assert report["verdict"] == "different" and report["expected"]["differences"] == 1, report


@test
def an_expectation_that_does_not_fit_is_never_green(folder):
    path = record(folder)
    other = record(folder, "y.vmt", "-O", "count=5")
    expected = os.path.join(folder, "x.expect.jsonl")
    run("vmireplay", "--accept", path)
    text = lines(expected)
    wrong = {
        "another handler": [text[0].replace('"handler":"tiny"', '"handler":"events"')] + text[1:],
        "its last line is missing": text[:-1],
    }
    for why, changed in wrong.items():
        write(expected, changed)
        _, err = run("vmireplay", path, status=4)
        assert why in err, err
    write(expected, text)
    shutil.copy(expected, os.path.join(folder, "y.expect.jsonl"))
    _, err = run("vmireplay", other, status=4)
    assert "another recording" in err, err
    for damaged in (["nothing\n"], [], text[:1] + ["{}\n"] + text[1:], text + text[1:2]):
        write(expected, damaged)
        _, err = run("vmireplay", path, status=3)
        assert "x.expect.jsonl" in err, err
    # What is wrong is replaced when it is asked for.
    run("vmireplay", "--accept", path)
    assert lines(expected) == text


@test
def a_run_that_went_wrong_is_not_accepted(folder):
    path = record(folder)
    _, err = run("vmireplay", "--accept", "-H", "breakpoint", "-O", "at=0x2000", "-O",
                 "physical=true", path, status=5)
    assert f"{path}: nothing was accepted: handler failed" in err, err
    assert os.listdir(folder) == ["x.vmt"], os.listdir(folder)


@test
def a_folder_is_a_corpus(folder):
    traces = corpus(folder)
    out, _ = run("vmireplay", "-q", traces)
    names = [line.split(":")[0] for line in out.splitlines()]
    assert names == sorted(names) and len(names) == 6, names
    assert os.path.join(traces, "more/3.vmt") in names
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    _, err = run("vmireplay", empty, status=4)
    assert "nothing was judged" in err, err


@test
def jobs_and_merged_shards_give_the_same_report(folder):
    traces = corpus(folder)
    write(os.path.join(traces, "no.vmt"), ["this is no trace\n"])
    one, _ = run("vmireplay", "--json", "-H", TINY_2, traces, status=3)
    two, _ = run("vmireplay", "--json", "--jobs", "2", "-H", TINY_2, traces, status=3)
    assert one == two
    parts = []
    for shard in range(1, 5):
        part = os.path.join(folder, f"{shard}.json")
        done = run_any("--json", "--shard", f"{shard}/4", "-H", TINY_2, "-o", part, traces)
        assert done in (1, 3, 4), done
        parts.append(part)
    merged, _ = run("vmireplay", "--merge", "--json", *parts, status=3)
    assert sorted(merged.splitlines()) == sorted(one.splitlines())
    junit, _ = run("vmireplay", "--merge", "--format", "junit", *parts, status=3)
    assert ElementTree.fromstring(junit).get("tests") == "7", junit
    write(parts[0], ["{}\n"])
    run("vmireplay", "--merge", *parts, status=2)


def run_any(*words):
    """The status of a run that may have any."""
    for status in range(8):
        try:
            run("vmireplay", *words, status=status)
            return status
        except AssertionError as error:
            if f"status {status}" in str(error):
                raise
    return None


@test
def shards_are_balanced_and_the_same_each_time(folder):
    traces = corpus(folder)
    shards = [run("vmireplay", "-q", "--shard", f"{k}/3", traces)[0].splitlines()
              for k in range(1, 4)]
    assert [len(s) for s in shards] == [2, 2, 2], shards
    assert len({line for s in shards for line in s}) == 6
    for wrong in ("0/3", "4/3", "1", "a/b", "1/3x", "/"):
        _, err = run("vmireplay", "--shard", wrong, traces, status=2)
        assert "K/N" in err, err


@test
def each_way_to_break_is_one_failed_case_and_the_rest_goes_on(folder):
    traces = os.path.join(folder, "traces")
    os.mkdir(traces)
    good = os.path.join(traces, "0-good.vmt")
    run("vmirec", "-q", "-g", SCENARIO, "-H", BROKEN, "-O", "how=nothing", "-o", good,
        "--max-events", "6")
    ways = {"crash": "crashed", "exit": "left its process", "hang": "hung", "fail": None}
    for how, stop in ways.items():
        out, _ = run("vmireplay", "--json", "-H", BROKEN, "-O", f"how={how}", "--hang-ms", "300",
                     good, status=5)
        report = json.loads(out)
        assert report["verdict"] == "handler failed" and report["last_event"] == 2, report
        assert stop is None or report["stop"] == stop, report
    for i, how in enumerate(("crash", "exit", "hang")):
        shutil.copy(good, os.path.join(traces, f"{i + 1}-{how}.vmt"))
    out, _ = run("vmireplay", "-q", "--jobs", "2", "-H", BROKEN, "-O", "how=crash", traces, status=5)
    assert len(out.splitlines()) == 4 and out.count("crashed at event 2") == 4, out


@test
def junit_is_xml_that_counts_failures_and_errors(folder):
    traces = corpus(folder, 3)
    write(os.path.join(traces, "a&<b>.vmt"), ["no trace\n"])
    out, _ = run("vmireplay", "--format", "junit", "-H", TINY_2, traces, status=3)
    suite = ElementTree.fromstring(out)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "3", "1"), out
    cases = {os.path.basename(c.get("name")): c for c in suite}
    assert cases["0.vmt"].find("failure").get("type") == "different"
    assert "first difference" in cases["0.vmt"].find("failure").text
    assert cases["a&<b>.vmt"].find("error") is not None
    out, _ = run("vmireplay", "--format", "junit", os.path.join(traces, "0.vmt"))
    assert out == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<testsuite name="vmireplay" tests="1" failures="0" errors="0">\n'
        f'  <testcase classname="vmireplay.tiny" name="{traces}/0.vmt"/>\n'
        "</testsuite>\n"), out


@test
def tap_has_a_line_for_each_trace(folder):
    traces = corpus(folder, 2)
    out, _ = run("vmireplay", "--format", "tap", traces)
    assert out == f"TAP version 13\n1..2\nok 1 - {traces}/0.vmt\nok 2 - {traces}/1.vmt\n", out
    out, _ = run("vmireplay", "--format", "tap", "-H", TINY_2, traces, status=1)
    assert f"not ok 1 - {traces}/0.vmt\n# status 1: different\n# first difference" in out, out


@test
def annotations_of_github_are_single_lines(folder):
    path = record(folder)
    assert run("vmireplay", "--format", "github", path) == ("", "")
    out, _ = run("vmireplay", "--format", "github", "-H", TINY_2, path, status=1)
    assert out.startswith(f"::error file={path},title=vmireplay%3A different::{path}: "), out
    assert len(out.splitlines()) == 1 and "%0Afirst difference: " in out, out


@test
def a_report_goes_to_a_file_and_a_summary_to_people(folder):
    path, file = record(folder), os.path.join(folder, "report.xml")
    out, _ = run("vmireplay", "--format", "junit", "-o", file, path)
    assert out.startswith(f"{path}: same; "), out
    assert ElementTree.parse(file).getroot().get("tests") == "1"
    _, err = run("vmireplay", "-o", os.path.join(folder, "no/such/file"), path, status=7)
    assert "no/such/file" in err, err
    _, err = run("vmireplay", "--accept", "--no-expect", path, status=2)
    assert "exclude" in err, err


if __name__ == "__main__":
    raise SystemExit(main())
