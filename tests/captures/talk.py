#!/usr/bin/env python3
"""Plain connections that show the corners of TCP (and of two rarer transports), one subcommand a corner.

    talk.py serve              echo on 7, greeting that closes first on 13, a reader that is late on 19 (and UDP-Lite echo on 7)
    talk.py CORNER HOST        one of the functions below

Real sockets on both sides: every segment in the recording is the kernel's. Standard library only.
"""
import socket
import sys
import threading
import time

MPTCP, UDPLITE = 262, 136


# ------------------------------------------------------------------ the server
def echo(connection):
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)
        connection.sendall(b"half closed, good bye\r\n")     # the other side may have closed its half only


def greet(connection):
    with connection:
        connection.sendall(b"2026-01-01T00:00:00Z\r\n")


def read_late(connection):
    with connection:
        time.sleep(3)                                        # the window fills and closes
        while connection.recv(65536):
            pass


def listen(port, answer, protocol=socket.IPPROTO_TCP, buffer=None):
    server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, protocol)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if buffer:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    server.bind(("::", port))
    server.listen()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=safely, args=(answer, connection), daemon=True).start()


def safely(answer, connection):
    try:
        answer(connection)
    except OSError:
        pass                                                 # resets are part of the programme


def echo_udplite():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, UDPLITE)
    server.bind(("0.0.0.0", 7))
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(data, peer)


def serve():
    for job in ((7, echo, MPTCP), (13, greet), (19, read_late, socket.IPPROTO_TCP, 4096)):
        threading.Thread(target=listen, args=job, daemon=True).start()
    echo_udplite()


# ------------------------------------------------------------------ the corners
def connect(host, port, protocol=socket.IPPROTO_TCP, source_port=None, options=()):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM, protocol)
    for level, name, value in options:
        client.setsockopt(level, name, value)
    if source_port:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("", source_port))
    client.settimeout(20)
    client.connect((host, port))
    return client


def say(client, text):
    client.sendall(text + b"\r\n")
    return client.recv(4096)


def finish(client):
    """closes its half and reads to the end, so that the connection ends with FINs"""
    client.shutdown(socket.SHUT_WR)
    while client.recv(4096):
        pass
    client.close()


def abort(client):
    """closes with RST"""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def pause(host):
    """one connection that is silent for longer than the usual idle timeout of 60 s, and goes on"""
    client = connect(host, 7)
    for wait in (0.5, 4, 66, 3):
        say(client, b"after a pause")
        time.sleep(wait)
    finish(client)


def lines(host):
    """a conversation by keystrokes: small segments both ways, PSH, and one byte of urgent data"""
    client = connect(host, 7)
    for word in b"the quick brown fox jumps over the lazy dog".split():
        say(client, word)
        time.sleep(0.12)
    client.send(b"!", socket.MSG_OOB)
    finish(client)


def reset(host):
    """the client aborts"""
    client = connect(host, 7)
    say(client, b"this ends badly")
    abort(client)


def refused(host):
    """nobody listens: RST in answer to the SYN"""
    for port in (81, 8081, 10000):
        try:
            connect(host, port).close()
        except ConnectionRefusedError:
            pass


def silent(host):
    """a firewall that says nothing: SYN, and SYN again"""
    try:
        client = socket.create_connection((host, 4444), timeout=4)
        client.close()
    except TimeoutError:
        pass


def reuse(host):
    """the same ports three times in a row: after RST, and after the server closed first"""
    client = connect(host, 7, source_port=40000)
    say(client, b"first connection of these ports")
    abort(client)
    for _ in range(2):
        with connect(host, 13, source_port=40001) as client:
            while client.recv(100):
                pass
        time.sleep(0.1)                                      # the last ACK must be here before the ports are free
    client = connect(host, 7, source_port=40000)
    say(client, b"second connection of these ports")
    finish(client)


def half_close(host):
    """the client closes its half and still receives"""
    client = connect(host, 7)
    say(client, b"half")
    finish(client)


def window(host):
    """more than the reader takes: zero window and its probes"""
    with connect(host, 19) as client:
        client.sendall(b"full " * 2400)


def keepalive(host):
    """an idle connection that is kept alive"""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
               (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)]
    client = connect(host, 7, options=options)
    say(client, b"alive")
    time.sleep(4.5)
    finish(client)


def mptcp(host):
    """Multipath TCP (RFC 8684)"""
    client = connect(host, 7, protocol=MPTCP)
    for _ in range(3):
        say(client, b"by several paths")
    finish(client)


def udplite(host):
    """UDP-Lite (RFC 3828)"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, UDPLITE) as client:
        client.settimeout(2)
        for _ in range(3):
            client.sendto(b"light", (host, 7))
            client.recv(100)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    corner, host = sys.argv[1:]
    {f.__name__: f for f in (pause, lines, reset, refused, silent, reuse, half_close, window, keepalive, mptcp, udplite)}[corner](host)
