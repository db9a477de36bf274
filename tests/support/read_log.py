#!/usr/bin/python3
"""Reads and checks a log by userspace/record/FORMAT.md, with nothing of assent's own code.

    read_log.py FOLDER [--key FILE.pub] [--leaves] [--bodies]

Prints a summary as one line of JSON; with --leaves each leaf before it, with --bodies each body too. Exit code 0: it is whole."""

import argparse
import base64
import hashlib
import json
import pathlib
import struct
import sys

MAGIC = b"assent1\n"


class Wrong(Exception):
    """What does not fit, as a sentence."""


def make_crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


class Tree:
    """RFC 6962: the roots of perfect subtrees, largest first."""

    def __init__(self):
        self.size = 0
        self.peaks = []

    def add(self, leaf_hash):
        node, rest = leaf_hash, self.size
        while rest & 1:
            node = sha256(b"\x01", self.peaks.pop(), node)
            rest >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha256()
        node = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            node = sha256(b"\x01", left, node)
        return node


def frames(data, is_newest):
    """(offset, kind, payload) of each frame; a newest segment may end in the middle of one."""
    if data[: len(MAGIC)] != MAGIC:
        raise Wrong("does not begin as a segment")
    at = len(MAGIC)
    while at < len(data):
        head = data[at : at + 5]
        length = struct.unpack(">I", head[:4])[0] if len(head) == 5 else 0
        whole = data[at : at + 9 + length]
        if len(head) < 5 or len(whole) < 9 + length:
            if is_newest:
                return
            raise Wrong(f"ends inside a frame at offset {at}")
        if crc32c(whole[:-4]) != struct.unpack(">I", whole[-4:])[0]:
            raise Wrong(f"frame at offset {at} has a wrong checksum")
        yield at, chr(head[4]), whole[5:-4]
        at += len(whole)


class Note:
    """A checkpoint: signed text."""

    def __init__(self, data):
        text, _, signatures = data.rpartition(b"\n\n")
        self.signed = text + b"\n"
        self.signatures = signatures.decode().splitlines()
        self.origin, size, root = self.signed.decode().split("\n")[:3]
        self.size = int(size)
        self.root = base64.b64decode(root, validate=True)

    def check(self, public_key, raw_key):
        key_hash = sha256(self.origin.encode(), b"\n\x01", raw_key)[:4]
        for line in self.signatures:
            dash, name, blob = line.split(" ")
            blob = base64.b64decode(blob, validate=True)
            if dash == "\u2014" and name == self.origin and blob[:4] == key_hash:
                public_key.verify(blob[4:], self.signed)
                return
        raise Wrong(f"the checkpoint of {self.size} records has no signature of this key")


class Log:
    def __init__(self, folder, key_file):
        self.folder = pathlib.Path(folder)
        self.tree = Tree()
        self.bodies_seen = self.checkpoints = self.pruned = 0
        self.key = self.raw_key = None
        if key_file:
            from cryptography.hazmat.primitives import serialization

            self.key = serialization.load_pem_public_key(pathlib.Path(key_file).read_bytes())
            self.raw_key = self.key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def check_note(self, data):
        note = Note(data)
        if self.key:
            note.check(self.key, self.raw_key)
        if note.size == self.tree.size and note.root != self.tree.root():
            raise Wrong(f"the root of {note.size} records is not the checkpoint's")
        return note

    def records(self):
        """(leaf as bytes, leaf as JSON, bodies) of each record."""
        firsts = sorted({int(path.stem) for path in self.folder.iterdir() if path.suffix in (".seg", ".hashes")})
        for index, first in enumerate(firsts):
            segment = self.folder / f"{first:020}.seg"
            if first != self.tree.size:
                raise Wrong(f"records {self.tree.size} to {first - 1} are missing")
            if segment.exists():
                yield from self.segment(segment, index == len(firsts) - 1)
                continue
            hashes = segment.with_suffix(".hashes").read_bytes()
            for at in range(0, len(hashes), 32):
                self.tree.add(hashes[at : at + 32])
            self.pruned = self.tree.size

    def segment(self, path, is_newest):
        bodies = []
        for number, (offset, kind, payload) in enumerate(frames(path.read_bytes(), is_newest)):
            if (kind == "H") != (number == 0):
                raise Wrong(f"{path.name}: a header at offset {offset}, or none at the start")
            if kind == "H":
                header = json.loads(payload)
                if header["first"] != self.tree.size or header["frontier"] != [peak.hex() for peak in self.tree.peaks]:
                    raise Wrong(f"{path.name}: the header does not fit the records before it")
            elif kind in "BX":
                bodies.append((kind, payload))
            elif kind == "C":
                if self.check_note(payload).size != self.tree.size:
                    raise Wrong(f"{path.name}: the checkpoint at offset {offset} is of another number of records")
                self.checkpoints += 1
            elif kind == "L":
                leaf = json.loads(payload)
                self.check_leaf(leaf, bodies)
                self.tree.add(sha256(b"\x00", payload))
                yield payload, leaf, bodies
                bodies = []
            else:
                raise Wrong(f"{path.name}: a frame of an unknown kind at offset {offset}")

    def check_leaf(self, leaf, bodies):
        if leaf["seq"] != self.tree.size:
            raise Wrong(f"record {leaf['seq']} stands where {self.tree.size} should be")
        named = leaf.get("bodies", {})
        if len(named) != len(bodies):
            raise Wrong(f"record {leaf['seq']} has {len(bodies)} bodies and names {len(named)}")
        for (name, about), (kind, data) in zip(named.items(), bodies):
            is_whole = len(data) == about.get("stored", about["size"])
            if not is_whole or (kind == "B" and sha256(data).hex() != about["sha256"]):
                raise Wrong(f"the body '{name}' of record {leaf['seq']} is not what was written")
            self.bodies_seen += 1

    def check_end(self):
        file = self.folder / "checkpoint"
        if file.exists() and self.check_note(file.read_bytes()).size > self.tree.size:
            raise Wrong(f"the log ends after {self.tree.size} records; its checkpoint is of more")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--key")
    parser.add_argument("--leaves", action="store_true")
    parser.add_argument("--bodies", action="store_true")
    options = parser.parse_args()
    log = Log(options.folder, options.key)
    try:
        for line, leaf, bodies in log.records():
            if options.leaves:
                print(line.decode())
            if options.bodies:
                for name, (_, data) in zip(leaf.get("bodies", {}), bodies):
                    print(f"  {name}: {data!r}")
        log.check_end()
    except Exception as error:  # whatever does not fit: a reader of evidence must say so and fail
        print(f"read_log: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    summary = {"records": log.tree.size, "bodies": log.bodies_seen, "checkpoints": log.checkpoints, "pruned": log.pruned}
    print(json.dumps({**summary, "root": base64.b64encode(log.tree.root()).decode()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
