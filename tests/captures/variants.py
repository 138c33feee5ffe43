#!/usr/bin/env python3
"""Small variants of examples/sample.pcap, one for each thing a reader of captures must know: `variants.py [FOLDER]`.

few.pcap is a cut of the sample: whole flows, two of each service. All the others hold the same packets at the same times in
another container, so that the same rows must come out of them, except for the last three, which change what is in the records.
Written by hand from the format descriptions (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng); standard library only; running
it again gives the same bytes.
"""
import gzip
import lzma
import os
import struct
import sys
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "..", "examples", "sample.pcap")
FLOWS_PER_SERVICE = 2
LARGEST_FLOW = 6_000                    # bytes


# ------------------------------------------------------------------ reading
def read(path):
    """[(seconds, microseconds, original length, bytes)] of a little-endian pcap file in microseconds"""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "tcpdump on a little-endian machine writes this"
    records, at = [], 24
    while at < len(data):
        seconds, micros, captured, original = struct.unpack_from("<IIII", data, at)
        records.append((seconds, micros, original, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return records


def network(frame):
    """(EtherType, offset of what follows it) behind all VLAN tags"""
    at = 12
    while struct.unpack_from("!H", frame, at)[0] in (0x8100, 0x88A8):
        at += 4
    return struct.unpack_from("!H", frame, at)[0], at + 2


def flow(frame):
    """(service, flow) of a frame: a name to count by, and a value that both directions share"""
    kind, at = network(frame)
    if kind == 0x0800:
        protocol, ends = frame[at + 9], [frame[at + 12:at + 16], frame[at + 16:at + 20]]
        header = at + 4 * (frame[at] & 15)
        later = struct.unpack_from("!H", frame, at + 6)[0] & 0x3FFF
    elif kind == 0x86DD:
        protocol, ends = frame[at + 6], [frame[at + 8:at + 24], frame[at + 24:at + 40]]
        header, later = at + 40, False
    else:
        return kind, (kind,)
    ports = [0, 0]
    if protocol in (6, 17, 136) and not later:
        ports = list(struct.unpack_from("!HH", frame, header))
    return (kind, protocol, min(ports)), (protocol, *sorted(zip(ends, ports)))


def cut(records):
    """whole flows, a few of each service"""
    sizes = Counter()
    for *_, frame in records:
        sizes[flow(frame)[1]] += len(frame)
    chosen, services = set(), Counter()
    for *_, frame in records:
        service, key = flow(frame)
        if key not in chosen and sizes[key] <= LARGEST_FLOW and services[service] < FLOWS_PER_SERVICE:
            services[service] += 1
            chosen.add(key)
    return [record for record in records if flow(record[3])[1] in chosen]


# ------------------------------------------------------------------ writing
def pcap(records, order="<", magic=0xA1B2C3D4, scale=1, linktype=1, snaplen=262_144, extra=b""):
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)]
    for seconds, micros, original, frame in records:
        frame = frame[:snaplen]
        out += [struct.pack(order + "IIII", seconds, micros * scale, len(frame), original), extra, frame]
    return b"".join(out)


def padded(data):
    return data + bytes(-len(data) % 4)


def block(order, kind, body):
    length = 12 + len(body)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + padded(value)


def section(order, records):
    """a section with two interfaces: the first in microseconds, the second in nanoseconds that count from 1 s before 1970 on"""
    end = struct.pack(order + "HH", 0, 0)
    out = [block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + option(order, 4, b"variants.py") + end)]
    out.append(block(order, 1, struct.pack(order + "HHI", 1, 0, 0) + option(order, 2, b"trunk0") + end))
    nanoseconds = option(order, 9, b"\x09") + option(order, 14, struct.pack(order + "q", -1))
    out.append(block(order, 1, struct.pack(order + "HHI", 1, 0, 0) + nanoseconds + end))
    out.append(block(order, 0x0BAD, struct.pack(order + "I", 32_473) + b"a custom block of nobody"))    # RFC 5612 number
    for number, (seconds, micros, original, frame) in enumerate(records):
        interface = number % 2
        ticks = (seconds + 1) * 10**9 + micros * 1000 if interface else seconds * 10**6 + micros
        head = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), original)
        comment = option(order, 1, b"the first packet") + end if number == 0 else b""
        out.append(block(order, 6, head + padded(frame) + comment))
    return b"".join(out)


def raw(records):
    """the IP packets without their link layer"""
    for seconds, micros, original, frame in records:
        kind, at = network(frame)
        if kind in (0x0800, 0x86DD):
            yield seconds, micros, original - at, frame[at:]


def main(folder):
    few = cut(read(SAMPLE))
    half = len(few) // 2
    plain = pcap(few)
    variants = {
        "few.pcap": plain,
        "big-endian.pcap": pcap(few, order=">"),
        "nanoseconds.pcap": pcap(few, magic=0xA1B23C4D, scale=1000),
        "modified.pcap": pcap(few, magic=0xA1B2CD34, extra=bytes(8)),
        "two-sections.pcapng": section("<", few[:half]) + section(">", few[half:]),
        "few.pcap.gz": gzip.compress(plain, mtime=0),
        "two-members.pcap.gz": gzip.compress(plain[:9_999], mtime=0) + gzip.compress(plain[9_999:], mtime=0),
        "few.pcap.xz": lzma.compress(plain),
        "raw-ip.pcap": pcap(list(raw(few)), linktype=101),
        "snaplen-60.pcap": pcap(few, snaplen=60),
        "cut-off.pcap": plain[:-7],
    }
    for name, data in variants.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        print(f"{len(data):7d}  {name}")
    print(f"{len(few)} packets, {len({flow(frame)[1] for *_, frame in few})} flows")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
