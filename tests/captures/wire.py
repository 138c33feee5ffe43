#!/usr/bin/env python3
"""The wire between the two ends of the recording: a switch, a trunk, a second switch.

    client --veth-- c [wire.py] t0 ==trunk== t1 [wire.py] s --veth-- server

tcpdump listens on t0, so it sees every frame once, with the tags a trunk between two real switches has. What the recording
should show and a kernel without the modules 8021q and netem cannot make is made here, on real traffic of real programs:

- frames of two client addresses carry an 802.1Q tag, or an 802.1ad and an 802.1Q tag, on the trunk;
- TCP port 8080 is a bad line: frames are lost before or behind the point of observation, swapped or doubled;
- port 4444 is behind a firewall that says nothing: its frames are recorded, then dropped.

It does not fragment, delay on purpose, or change a byte of a packet. Standard library only; needs CAP_NET_RAW.
"""
import random
import select
import socket
import struct

ETH_P_ALL = 3
PACKET_OUTGOING = 4
IPV4, IPV6, ARP, VLAN, QINQ = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8

# client address -> tags its frames carry on the trunk, outermost first
TAGS = {
    socket.inet_aton("192.0.2.20"): [(VLAN, 20)],
    socket.inet_aton("192.0.2.30"): [(QINQ, 100), (VLAN, 30)],
}
BAD_LINE = 8080
FIREWALL = 4444
# the same seed loses the same positions; which frame stands there depends on the machine
chance = random.Random(8080)


def ethertype(frame):
    return struct.unpack_from("!H", frame, 12)[0]


def tagged(frame):
    """the frame as it travels on the trunk"""
    kind = ethertype(frame)
    if kind == IPV4:
        ends = frame[26:30], frame[30:34]
    elif kind == ARP:
        ends = frame[28:32], frame[38:42]
    else:
        return frame
    for end in ends:
        if end in TAGS:
            tags = b"".join(struct.pack("!HH", *tag) for tag in TAGS[end])
            return frame[:12] + tags + frame[12:]
    return frame


def untagged(frame):
    """the frame as it leaves the trunk (the kernel has taken off the outer tag already)"""
    while ethertype(frame) in (VLAN, QINQ):
        frame = frame[:12] + frame[16:]
    return frame


def ports(frame):
    """(protocol, source port, destination port) of TCP and UDP without IPv4 options and extension headers"""
    kind = ethertype(frame)
    if kind == IPV4 and frame[14] == 0x45 and not struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
        protocol, at = frame[23], 34
    elif kind == IPV6:
        protocol, at = frame[20], 54
    else:
        return 0, 0, 0
    if protocol not in (6, 17):
        return protocol, 0, 0
    return protocol, *struct.unpack_from("!HH", frame, at)


class BadLine:
    """loses, swaps and doubles frames of one direction"""

    def __init__(self):
        self.held = None

    def before(self, frame):
        """the frames that reach the point of observation"""
        protocol, source, destination = ports(frame)
        if protocol != 6 or BAD_LINE not in (source, destination):
            return [frame]
        luck = chance.random()
        if luck < 0.03:
            return []
        if luck < 0.05 and self.held is None:
            self.held = frame           # swapped with the next one
            return []
        out = [frame, frame] if luck > 0.98 else [frame]
        if self.held is not None:
            out.append(self.held)
            self.held = None
        return out

    @staticmethod
    def behind(frame):
        """whether the frame arrives after it was recorded"""
        protocol, source, destination = ports(frame)
        if FIREWALL in (source, destination):
            return False
        return not (protocol == 6 and BAD_LINE in (source, destination) and chance.random() < 0.03)


def main():
    at = {}
    for name in ("c", "t0", "t1", "s"):
        at[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        at[name].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        at[name].bind((name, 0))
    onto_trunk = {at["c"]: at["t0"], at["s"]: at["t1"]}
    off_trunk = {at["t1"]: at["s"], at["t0"]: at["c"]}
    lines = {access: BadLine() for access in onto_trunk}
    while True:
        for port in select.select(list(at.values()), [], [])[0]:
            frame, (_, _, direction, _, _) = port.recvfrom(65535)
            if direction == PACKET_OUTGOING:
                continue
            if port in onto_trunk:
                for passed in lines[port].before(frame):
                    onto_trunk[port].send(tagged(passed))
            else:
                frame = untagged(frame)
                if BadLine.behind(frame):
                    off_trunk[port].send(frame)


if __name__ == "__main__":
    main()
