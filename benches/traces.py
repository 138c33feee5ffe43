"""The captures of the benches, each made once and kept: by `bench/make_trace.py` of the reference material, which needs numpy.

The reference material is `../shared` beside the repository, or $JAYFLOW_SHARED.
"""
import contextlib
import gzip
import itertools
import json
import os
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.environ.get("JAYFLOW_SHARED", os.path.join(os.path.dirname(REPOSITORY), "shared"))
BENCH = os.path.join(SHARED, "bench")

# name: options of make_trace.py
MADE = {
    "standard": [],
    "plain": ["--vlan-share", "0"],  # dpkt, which JoyfulJay reads with, knows no VLAN tags
    "archive": ["--shards", "16"],
    "pcapng": ["--format", "pcapng"],
    "flood": ["--adversarial", "many-flows", "--packets", "1000000"],
    "elephant": ["--adversarial", "one-flow", "--packets", "1000000"],
    "hub": ["--adversarial", "hub", "--packets", "1000000"],
    "reuse": ["--adversarial", "port-reuse", "--packets", "1000000"],
}


@dataclass
class Trace:
    name: str
    inputs: list  # files
    packets: int
    seconds: int = 0  # from the first packet to beyond the last, where it is known


class Traces:
    def __init__(self, folder, python):
        self.folder, self.python, self.known = folder, python, {}
        os.makedirs(folder, exist_ok=True)

    def get(self, name):
        """The trace of this name: one of MADE; `standard.gz`, `standard.zst`; `standard-50000`, its first packets; `standard*10`,
        ten times in a row."""
        if name not in self.known:
            whole, sign, how = re.fullmatch(r"(\w+)(?:([-.*])(\w+))?", name).groups()
            derived = {"-": self.head, ".": self.packed, "*": self.repeated}
            self.known[name] = derived[sign](self.get(whole), how) if sign else self.made(whole)
            for path in self.known[name].inputs:  # from the disk to the memory of the system, before anything is measured
                with open(path, "rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass
        return self.known[name]

    def made(self, name):
        stem = os.path.join(self.folder, name)
        if not os.path.exists(stem + ".manifest.json"):
            make = os.path.join(BENCH, "make_trace.py")
            if not os.path.exists(make):
                raise RuntimeError(f"{make} is missing: say with JAYFLOW_SHARED where the reference material is")
            subprocess.run([self.python, "-B", make, stem, *MADE[name]], check=True)
        with open(stem + ".manifest.json") as file:
            manifest = json.load(file)
        ending = "." + manifest["options"]["format"]
        seconds = (manifest["last_ns"] - manifest["first_ns"]) // 10**9 + 1
        count = len(manifest["files"])
        parts = [f"-{at:05}" for at in range(count)] if count > 1 else [""]
        return Trace(name, [stem + part + ending for part in parts], manifest["packets"], seconds)

    def packed(self, trace, packing):
        path = f"{trace.inputs[0]}.{packing}"
        if packing == "zst" and not shutil.which("zstd"):
            raise RuntimeError("the program zstd is missing: it is in the package zstd")
        with whole_file(path) as part:
            if part and packing == "zst":
                subprocess.run(["zstd", "-q", "-f", trace.inputs[0], "-o", part], check=True)
            elif part:
                with open(trace.inputs[0], "rb") as source, gzip.open(part, "wb", 6) as file:
                    shutil.copyfileobj(source, file, 1 << 20)
        return Trace(f"{trace.name}.{packing}", [path], trace.packets)

    def head(self, trace, packets):
        packets = min(int(packets), trace.packets)
        path = f"{trace.inputs[0].removesuffix('.pcap')}-{packets}.pcap"
        with whole_file(path) as part:
            if part:
                header, records = records_of(trace.inputs[0])
                with open(part, "wb") as file:
                    file.write(header)
                    file.writelines(itertools.chain.from_iterable(itertools.islice(records, packets)))
        return Trace(f"{trace.name}-{packets}", [path], packets)

    def repeated(self, trace, times):
        """The same packets again and again, each time a little later than the last packet before: as many open flows, for longer."""
        path = f"{trace.inputs[0].removesuffix('.pcap')}-times-{times}.pcap"
        with whole_file(path) as part:
            if part:
                with open(part, "wb") as file:
                    for turn in range(int(times)):
                        header, records = records_of(trace.inputs[0])
                        if not turn:
                            file.write(header)
                        for head, frame in records:
                            second = struct.unpack_from("<I", head)[0]
                            file.write(struct.pack("<I", second + turn * trace.seconds) + head[4:] + frame)
        return Trace(f"{trace.name}*{times}", [path], trace.packets * int(times))


def records_of(path):
    """the file header of a little-endian pcap file, and its records as (header, frame)"""
    def records(file):
        while head := file.read(16):
            yield head, file.read(struct.unpack_from("<I", head, 8)[0])
        file.close()

    file = open(path, "rb", buffering=1 << 20)
    return file.read(24), records(file)


@contextlib.contextmanager
def whole_file(path):
    """the name under which to write a file, so that it appears whole; None where it is there"""
    part = None if os.path.exists(path) else path + ".part"
    yield part
    if part:
        os.rename(part, path)
