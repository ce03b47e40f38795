#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of vmidiff --html in a real Chromium without a window. Prints TAP.

Chromium is driven over its own pipe (--remote-debugging-pipe): nothing else is needed. Where there
is no Chromium, only what the file holds is tested.
"""

import base64
import json
import os
import re
import select
import shutil
import subprocess
import time

from tools import BUILD, SCENARIO, main, record, run, test

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)
TINY_2 = os.path.join(BUILD, "fixtures/handlers/tiny-v2.so")
EVENTS = 50000


class Browser:
    """One page in a Chromium, which is over at the end of the block."""

    def __init__(self, folder):
        theirs_in, self.out = os.pipe()
        self.input, theirs_out = os.pipe()
        # Chromium reads from 3 and writes to 4.
        script = f"exec 3<&{theirs_in} 4>&{theirs_out}; exec \"$@\""
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", CHROMIUM, "--headless=new", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--window-size=1280,800", f"--user-data-dir={folder}/profile", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.number, self.events = b"", 0, []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"]
                      if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.page(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(20)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.input)

    def receive(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0, "Chromium says nothing"
            if select.select([self.input], [], [], left)[0]:
                part = os.read(self.input, 1 << 20)
                assert part, "Chromium is gone"
                self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive(60)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def page(self, method, **params):
        return self.call(method, session=self.session, **params)

    def evaluate(self, expression):
        result = self.page("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, path):
        self.page("Page.navigate", url="file://" + path)
        for _ in range(600):
            if self.evaluate("document.readyState") == "complete":
                return
            time.sleep(0.1)
        raise AssertionError("the page is not loaded")

    def key(self, key):
        text = key if len(key) == 1 else ""
        self.page("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.page("Input.dispatchKeyEvent", type="keyUp", key=key)

    def complaints(self):
        """What the console, the log or an exception said; and what was fetched but the page."""
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                found.append(params)
            if method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("file://", "about:")):
                    found.append(url)
        return found


def compared(folder):
    """A page with differences of two versions of a handler."""
    a, b = record(folder, "a.vmt"), os.path.join(folder, "b.vmt")
    run("vmireplay", "-q", "-H", TINY_2, "--re-record", b, a, status=1)
    page = os.path.join(folder, "page.html")
    run("vmidiff", "-q", "--html", page, a, b, status=1)
    return page


@test
def the_page_is_one_file_that_names_no_other(folder):
    with open(compared(folder), encoding="utf-8") as f:
        text = f.read()
    assert not re.search(r"\b(src|href)\s*=|https?://|@import|url\(", text), "it names another file"
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert data["total"] == 8 and len(data["differences"]) == 8, data["total"]
    details = json.loads(re.search(r'id="d0">(.*?)</script>', text, re.S)[1])
    assert len(details) == data["rows"], len(details)


@test
def text_of_a_guest_cannot_end_a_script(folder):
    os.mkdir(os.path.join(folder, "a<script>alert(1)<"))
    name = os.path.join(folder, "a<script>alert(1)<", "script>.vmt")
    shutil.move(record(folder), name)
    page = os.path.join(folder, "page.html")
    run("vmidiff", "-q", "--html", page, name, name)
    with open(page, encoding="utf-8") as f:
        assert "alert(1)</script>" not in f.read()


@test
def a_page_that_cannot_be_written_is_status_7(folder):
    path = record(folder)
    _, err = run("vmidiff", "-q", "--html", os.path.join(folder, "no/page.html"), path, path,
                 status=7)
    assert "no/page.html" in err, err


@test
def differences_calls_and_registers_are_shown_and_reached_by_keys(folder):
    if not CHROMIUM:
        return
    with Browser(folder) as browser:
        browser.open(compared(folder))
        assert "8 differences" in browser.evaluate("document.getElementById('counts').textContent")
        browser.key("n")
        shown = browser.evaluate("document.getElementById('detail').innerText")
        assert "- emission switch vcpu=0 from=0x11000 to=0x10000" in shown, shown
        assert "event 2: write-cr on vCPU 0" in shown and "regs.cr3" in shown, shown
        first = browser.evaluate("location.hash")
        browser.key("n")
        assert browser.evaluate("location.hash") != first
        browser.key("p")
        assert browser.evaluate("location.hash") == first
        browser.key("Home")
        shown = browser.evaluate("document.getElementById('detail').innerText")
        assert "(create)" in shown and "monitor(cr3" in shown, shown
        for key in ("ArrowRight", "ArrowLeft", "End", "+", "-"):
            browser.key(key)
        assert browser.complaints() == [], browser.complaints()


@test
def a_click_chooses_what_is_under_it(folder):
    if not CHROMIUM:
        return
    with Browser(folder) as browser:
        browser.open(compared(folder))
        for kind in ("mousePressed", "mouseReleased"):
            browser.page("Input.dispatchMouseEvent", type=kind, x=120, y=250, button="left",
                         clickCount=1)
        assert browser.evaluate("location.hash") != ""
        # Every picture has something in it.
        assert browser.evaluate(
            "[...document.getElementById('canvas').getContext('2d').getImageData(0, 0, 900, 30)"
            ".data].some((v) => v)")
        assert browser.complaints() == [], browser.complaints()


def painted(browser, page):
    """Milliseconds until the first paint of the page, opened anew."""
    browser.page("Page.navigate", url="about:blank")
    browser.open(page)
    return browser.evaluate(
        "Math.max(...performance.getEntriesByType('paint').map((e) => e.startTime), 0)")


@test
def fifty_thousand_events_are_painted_within_two_seconds(folder):
    scenario = os.path.join(folder, "long.scn")
    with open(scenario, "w", encoding="utf-8") as f:
        f.write("domain vcpus=2 pages=256 seed=7\n")
        for vcpu in range(2):
            f.write(f"{vcpu} at=0x1000 nop\nrepeat {EVENTS // 4}\n"
                    f"{vcpu} at=0x1010 cr cr3 0x10000\n{vcpu} at=0x1013 cr cr3 0x11000\n"
                    f"{vcpu} at=0x1016 jump 0x1010\nend\n")
    paths = [os.path.join(folder, name) for name in ("a.vmt", "b.vmt")]
    for path, count in zip(paths, (EVENTS, EVENTS - 500)):
        run("vmirec", "-q", "-g", scenario, "-H", "tiny", "-O", f"count={count}", "-o", path)
    page = os.path.join(folder, "page.html")
    run("vmidiff", "-q", "--html", page, *paths, status=1)
    if not CHROMIUM:
        return
    with Browser(folder) as browser:
        paint = min(painted(browser, page) for _ in range(3))  # the machine has other work
        print(f"# {os.stat(page).st_size >> 20} MiB, first paint after {paint:.0f} ms")
        assert browser.evaluate("data.rows") >= EVENTS
        browser.key("End")
        browser.key("p")
        assert browser.evaluate("document.querySelector('.row.on') !== null")
        assert browser.complaints() == [], browser.complaints()
        assert 0 < paint < 2000, paint
        keep = os.environ.get("VMT_SCREENSHOT")
        if keep:
            shot = browser.page("Page.captureScreenshot", format="png")
            with open(keep, "wb") as f:
                f.write(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    raise SystemExit(main())
