#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second reader of traces, written from trace-format/FORMAT.md alone.

  vmt_reader.py FORMAT.md TRACE

Prints a line of JSON for each record of the events stream and a last one with the digests. The
fields of each kind are taken from the page's own tables, so what it says is what is read. It reads
whole traces only: anything that is not as the page says ends it.
"""

import json
import re
import subprocess
import sys

from xxh3 import xxh3_64, xxh3_128

PHASES = ["none", "create", "loop", "cleanup", "drain", "over"]
EVENTS, PAGES, INDEX = range(3)


class Bad(Exception):
    """The trace is not as FORMAT.md says."""


def need(condition, why):
    if not condition:
        raise Bad(why)


# --------------------------------------------------------------------------------------------------
# The page's tables
# --------------------------------------------------------------------------------------------------

class Field:
    def __init__(self, cells):
        self.name, self.type, self.when = cells[0], cells[1].split(), cells[2]
        self.digest = cells[3] if len(cells) > 3 else None

    def present(self, values):
        if not self.when:
            return True
        if self.when == "ok":
            return values["result"] >= 0
        if self.when == "failed":
            return values["result"] < 0
        name, operator, number = self.when.split()
        value = int(values[name])
        return {"=": value == int(number), "!=": value != int(number),
                "&": value & int(number) != 0}[operator]


class Kind:
    def __init__(self, name, bits, fields):
        self.name, self.fields = name, fields
        self.ancillary = "ancillary" in bits
        self.copy = "copy" in bits
        classes = {f.digest for f in fields}
        self.in_behaviour = "B" in classes
        self.in_record = bool(classes & {"B", "R"}) or name == "begin"


class Prediction:
    """A row of the prediction of raw bytes: offset, bytes, value, the field that it needs."""

    def __init__(self, row):
        at, size, self.value, *field = row.split()
        self.at, self.size = int(at), int(size)
        self.field = field[0] if field else None


def flat(values, prefix=""):
    """The numbers in @values, by their names with dots."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, str) and value.startswith("0x"):
            yield prefix + name, int(value, 16)
        elif isinstance(value, (int, bool)):
            yield prefix + name, int(value)


def named_values(fmt, event):
    """What the rows may name, but for the event's own fields."""
    values, flags = dict(flat(event["regs"])), event["flags"]
    for name in ("cs", "ds", "es", "fs", "gs", "ss"):
        access, limit = values.get(f"{name}.access", 0), values.get(f"{name}.limit", 0)
        values[f"hidden({name})"] = (
            (limit >> 12 if access & 0x800 else limit) & 0xFFFFF | access << 20)
    values["xen_flags"] = flags & 1 | (flags >> 1 & 1) << 7 | (flags >> 2 & 1) << 12
    reason = event["reason"]
    values["xen_reason"] = fmt.xen_reasons[reason] if reason < len(fmt.xen_reasons) else 0
    if reason == 4 and event["interrupt"]["interrupt"]["vector"] == 1:
        values["xen_reason"] = 9
    values["vcpu"], values["view"] = event["vcpu"], event["view"]
    return values


def predict(fmt, event):
    """Raw bytes of kind 1, from the decoded fields of an event."""
    raw, common = bytearray(400), named_values(fmt, event)
    for row in fmt.prediction:
        if row.field and row.field not in event:
            continue
        names = dict(common)
        if row.field:
            names.update(flat(event[row.field]))
        if row.field == "memory":
            names["page"], names["offset"] = names["gpa"] >> 12, names["gpa"] & 4095
            names["tried"] = names["access"] & 7 | (names["flags"] & 7) << 3
        value = int(row.value) if row.value.isdigit() else names.get(row.value, 0)
        raw[row.at:row.at + row.size] = (value & (1 << 8 * row.size) - 1).to_bytes(
            row.size, "little")
    return bytes(raw)


class Format:
    """The tables of section 7."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as page:
            text = page.read()
        self.structs, self.kinds = {}, {}
        for title, body in re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", text, re.M | re.S):
            rows = re.findall(r"^\| (.*) \|$", body, re.M)
            cells = [[c.strip() for c in ("| " + row + " |")[1:-1].split("|")] for row in rows]
            fields = [Field(c) for c in cells[1:]] if cells and cells[0][0] == "field" else []
            kind = re.fullmatch(r"(\d+) (\S+) \((.*)\)", title)
            if kind:
                self.kinds[int(kind[1])] = Kind(kind[2], kind[3].split(", "), fields)
            elif title.startswith("struct "):
                self.structs[title[7:]] = fields
        self.registers = re.search(r"^```registers\n(.*?)^```", text, re.M | re.S)[1].split()
        rows = re.search(r"^```prediction 1\n(.*?)^```", text, re.M | re.S)[1].splitlines()
        self.prediction = [Prediction(row) for row in rows]
        self.xen_reasons = [int(n) for n in re.search(
            r"by the event's reason from 0: ([\d ]+);", text)[1].split()]


# --------------------------------------------------------------------------------------------------
# Payloads
# --------------------------------------------------------------------------------------------------

def as_text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"bytes": data.hex()}


class Cursor:
    def __init__(self, fmt, data):
        self.fmt, self.data, self.at = fmt, data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "cut")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self, most=(1 << 64) - 1):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                need(byte or shift == 7, "a varint that is longer than its value needs")
                need(value <= most, "a varint above its limit")
                return value

    def le(self, n):
        return int.from_bytes(self.take(n), "little")

    def boolean(self):
        byte = self.take(1)[0]
        need(byte <= 1, "a bool that is neither 0 nor 1")
        return byte == 1

    def sized(self, most):
        return self.take(self.varint(int(most)))

    def text(self, most):
        data = self.sized(most)
        need(0 not in data, "a text with a zero byte")
        return as_text(data)

    def register(self, name):
        """One register: [(name in JSON, value)]."""
        form, _, plain = name.rpartition(":")
        if not form:
            return [(plain, hex(self.le(8)))]
        parts = [("base", 8), ("limit", 4)]
        if form == "segment":
            parts += [("selector", 2), ("access", 2)]
        return [(f"{plain}.{part}", hex(self.le(size))) for part, size in parts]

    def regs(self, mask):
        need(mask >> len(self.fmt.registers) == 0, "a register that does not exist")
        values = {}
        for bit, name in enumerate(self.fmt.registers):
            if mask >> bit & 1:
                values.update(self.register(name))
        return values

    def raw(self, most):
        length = self.varint(int(most))
        changes = self.sized(2 * length + 32)
        event = self.values
        guess = predict(self.fmt, event) if event["raw_kind"] == 1 else b""
        return patch(guess[:length].ljust(length, b"\0"), changes).hex()

    def value(self, type_, *more):
        number = re.fullmatch(r"([uxs])(\d+)", type_)
        if number:
            value = self.varint((1 << int(number[2])) - 1)
            if number[1] == "s":
                return value >> 1 if value & 1 == 0 else -(value >> 1) - 1
            return hex(value) if number[1] == "x" else value
        if type_ == "list":
            return [self.struct(self.fmt.structs[more[2]])
                    for _ in range(self.varint(int(more[0])))]
        if type_ in self.fmt.structs:
            return self.struct(self.fmt.structs[type_])
        return {
            "bool": self.boolean,
            "le64": lambda: self.le(8),
            "lex64": lambda: hex(self.le(8)),
            "text": lambda: self.text(more[0]),
            "maybe": lambda: self.text(more[1]) if self.boolean() else None,
            "bytes": lambda: self.sized(more[0]).hex(),
            "blob": lambda: as_text(self.sized(more[0])),
            "raw": lambda: self.raw(more[0]),
            "fixed": lambda: self.take(int(more[0])).hex(),
            "regs": lambda: self.regs(self.le(8)),
            "gprs": lambda: self.regs((1 << 18) - 1),
        }[type_]()

    def struct(self, fields, marks=None):
        """The fields by name; @marks: where each begins, and all end."""
        values = {}
        for field in fields:
            if marks is not None:
                marks.append((field, self.at))
                self.values = values
            if field.present(values):
                values[field.name] = self.value(*field.type)
        return values


# --------------------------------------------------------------------------------------------------
# The file
# --------------------------------------------------------------------------------------------------

def decompress(stored):
    done = subprocess.run(["zstd", "-dcq"], input=stored, capture_output=True, check=False)
    need(done.returncode == 0, "a chunk does not decompress")
    return done.stdout


def patch(page, data):
    page, cursor, at = bytearray(page), Cursor(None, data), 0
    while cursor.at < len(data):
        at += cursor.varint()
        run = cursor.take(cursor.varint())
        need(run and at + len(run) <= len(page), "a patch that leaves what it changes")
        page[at:at + len(run)] = run
        at += len(run)
    return bytes(page)


class Trace:
    def __init__(self, fmt, data):
        self.fmt, self.data = fmt, data
        self.pages, self.page_hashes, self.depths = {}, {}, {}
        self.listed, self.found = [], []  # chunks: by the index, and as they are
        self.epoch = self.sequence = self.events = 0
        self.texts = {"behaviour": [b"vmitape behaviour digest 1".ljust(256, b"\0")],
                      "record": [b"vmitape record digest 1".ljust(256, b"\0")]}
        self.preamble()

    def preamble(self):
        head = self.data[:32]
        need(head[:8] == bytes.fromhex("89564d540d0a1a0a"), "the preamble's magic")
        need(int.from_bytes(head[24:], "little") == xxh3_64(head[:24]), "the preamble's hash")
        need(head[8:10] == b"\0\0", "the major version")
        need(head[10:12] == b"\2\0", "the minor version")
        need(head[12:16] == b"\1\0\0\0" and head[20:24] == bytes(4), "architecture or zeros")
        self.tag = head[16:20]

    def header(self, at):
        h = self.data[at:at + 80]
        need(len(h) == 80 and h[:4] == b"VMTC", f"no chunk at {at}")
        need(int.from_bytes(h[72:], "little") == xxh3_64(h[:72]), f"header hash at {at}")
        need(h[4] == 0 and h[7] == 0 and h[8:12] == bytes(4) and h[60:64] == self.tag,
             f"version, flags, dictionary or tag at {at}")

        def number(offset, size):
            return int.from_bytes(h[offset:offset + size], "little")

        return {"offset": at, "stream": h[5], "codec": h[6], "epoch": number(12, 4),
                "sequence": number(16, 8), "position": number(24, 8), "callback": number(32, 8),
                "event": number(40, 8), "records": number(48, 4), "raw": number(52, 4),
                "stored": number(56, 4), "hash": number(64, 8)}

    def chunk(self, at):
        """The chunk at this offset: its header and its raw bytes."""
        c = self.header(at)
        stored = self.data[at + 80:at + 80 + c["stored"]]
        need(len(stored) == c["stored"] <= c["raw"] <= 1 << 25, f"sizes at {at}")
        need(xxh3_64(stored) == c["hash"], f"hash at {at}")
        need(c["codec"] in (0, 1), f"codec at {at}")
        raw = decompress(stored) if c["codec"] else stored
        need(len(raw) == c["raw"], f"raw size at {at}")
        need(c["sequence"] == self.sequence and c["epoch"] >= self.epoch, f"order at {at}")
        if c["epoch"] != self.epoch:
            self.pages, self.depths = {}, {}
        self.sequence, self.epoch = self.sequence + 1, c["epoch"]
        if c["stream"] == INDEX:
            return c, raw
        self.found.append({k: v for k, v in c.items() if k not in ("codec", "hash")})
        return c, raw

    def records(self, c, raw):
        """(kind number, phase, callback, position, payload) of each record of a chunk."""
        cursor, slots = Cursor(self.fmt, raw), {}
        callback, position = c["callback"], c["position"] - 1
        for n in range(c["records"]):
            kind, bits = cursor.varint(16383), cursor.take(1)[0]
            need(kind and bits & 7 < len(PHASES) and (kind == 23 or not bits & 0x80),
                 "a record's head")
            need(n or not bits & 0x18, "a chunk's first record has a step")
            callback += cursor.varint() if bits & 8 else 0
            position += 1 + (cursor.varint() if bits & 16 else 0)
            payload = cursor.take(cursor.varint(1 << 24))
            if kind == 23:
                payload = self.event_payload(slots, payload, bits & 0x80)
            known = self.fmt.kinds.get(kind)
            if known is None:
                need(bits & 32, f"kind {kind} is not known and critical")
                continue
            need(known.ancillary == bool(bits & 32) and known.copy == bool(bits & 64),
                 f"bits of kind {kind}")
            yield known, kind, bits & 7, callback, position, payload
        need(cursor.at == len(raw), "bytes after a chunk's last record")

    @staticmethod
    def event_payload(slots, stored, delta):
        """The payload of an event, which then is in its slot."""
        payload, slot = stored, stored[0] % 32 if stored else 0
        if delta:
            cursor = Cursor(None, stored)
            slot, length = cursor.take(1)[0], cursor.varint(65536)
            need(slots.get(slot) and 0 < length <= 64 * len(stored), "a delta record")
            payload = patch(slots[slot][:length].ljust(length, b"\0"), stored[cursor.at:])
        slots[slot] = payload if len(payload) <= 65536 else b""
        return payload

    def page(self, position, payload):
        cursor = Cursor(self.fmt, payload)
        values = cursor.struct(self.fmt.kinds[5].fields)
        need(cursor.at == len(payload) and values["flags"] == 0, "a page record")
        data, form = bytes.fromhex(values["data"]), values["form"]
        if form == 0:
            need(len(data) == 1, "a filled page")
            self.pages[position], self.depths[position] = data * 4096, 0
        elif form == 1:
            need(len(data) == 4096, "a whole page")
            self.pages[position], self.depths[position] = data, 0
        else:
            need(form == 2 and values["base"] < position, "a patched page")
            self.pages[position] = patch(self.pages[values["base"]], data)
            self.depths[position] = self.depths[values["base"]] + 1
            need(self.depths[position] <= 16, "a chain of patches")
        self.page_hashes[position] = xxh3_128(self.pages[position])

    def digest(self, known, kind, phase, callback, payload, marks, values):
        def add(which, content):
            self.texts[which].append(
                callback.to_bytes(8, "little") + bytes([phase]) + kind.to_bytes(2, "little")
                + len(content).to_bytes(4, "little") + content)

        if known.in_behaviour:
            ends = [at for field, at in marks if field.digest != "B"]
            add("behaviour", payload[:min(ends, default=len(payload))])
        if known.in_record:
            page = values.get("page", 0)
            if page:
                payload = payload[:marks[-1][1]] + self.page_hashes[page]
            add("record", payload)

    def event_record(self, known, kind, phase, callback, position, payload):
        cursor, marks = Cursor(self.fmt, payload), []
        values = cursor.struct(known.fields, marks)
        need(cursor.at == len(payload), f"bytes after the last field of {known.name}")
        need((position == 0) == (known.name == "meta"), "meta is first")
        if values.get("page"):
            need(values["page"] in self.pages, f"page {values['page']} is not there")
        if known.name == "end":
            for which in ("behaviour", "record"):
                need(values[which] == self.result(which), f"{which} digest of the end")
            need(values["records"] == position and values["events"] == self.events, "counts")
        self.digest(known, kind, phase, callback, payload, marks, values)
        self.events += known.name == "event"
        return {"position": position, "callback": callback, "phase": PHASES[phase],
                "kind": known.name, **values}

    def result(self, which):
        return xxh3_128(b"".join(self.texts[which])).hex()

    def read(self):
        at, ended, next_position, indexes, first_index = 32, False, 0, 0, 0
        while self.data[at:at + 4] == b"VMTC":
            c, raw = self.chunk(at)
            if c["stream"] == EVENTS:
                need(not ended and c["position"] == next_position and c["event"] == self.events,
                     "order of chunks of events")
            elif c["stream"] == INDEX:
                need(ended, "an index before the end")
                first_index = first_index or at
                indexes += 1
            for known, kind, phase, callback, position, payload in self.records(c, raw):
                if c["stream"] == PAGES:
                    need(known.name == "page", "a record in the stream of pages")
                    self.page(position, payload)
                elif c["stream"] == INDEX:
                    need(known.name == "index", "a record in the stream of indexes")
                    self.listed += Cursor(self.fmt, payload).struct(known.fields)["chunks"]
                else:
                    next_position = position + 1
                    yield self.event_record(known, kind, phase, callback, position, payload)
                    ended = known.name == "end"
            at += 80 + c["stored"]
        self.footer(at, first_index, indexes)
        need(ended, "no end")

    def footer(self, at, first_index, indexes):
        f = self.data[at:]
        need(len(f) == 40 and f[32:] == bytes.fromhex("564d54450d0a1a0a"), "the footer")
        need(int.from_bytes(f[24:32], "little") == xxh3_64(f[:24]), "the footer's hash")
        need(f[20:24] == self.tag and int.from_bytes(f[:8], "little") == first_index
             and int.from_bytes(f[8:16], "little") == len(self.data)
             and int.from_bytes(f[16:20], "little") == indexes, "the footer's numbers")
        need(self.listed == self.found, "the index does not list the chunks that there are")


def lines(fmt, data):
    """All lines of JSON of a trace, as objects."""
    trace = Trace(fmt, data)
    found = list(trace.read())
    return found + [{"complete": True, "behaviour": trace.result("behaviour"),
                     "record": trace.result("record")}]


def main(page, path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        for line in lines(Format(page), data):
            print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    except Bad as bad:
        sys.exit(f"{path}: {bad}")


if __name__ == "__main__":
    main(*sys.argv[1:])
