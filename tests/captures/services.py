#!/usr/bin/env python3
"""Servers and clients that Debian has no small package for: SMTP, FTP, HTTP/3 and mDNS.

    services.py smtp-server CERT KEY | smtp-client HOST CA | ftp-server FOLDER | h3-server CERT KEY FOLDER ADDRESS... |
                h3-client HOST CA PORT PATH... | mdns-server ADDRESS | mdns-client ADDRESS

Each is the example of its library (aiosmtpd, pyftpdlib, aioquic, zeroconf) with the names of this recording.
"""
import asyncio
import os
import socket
import ssl
import sys
import time


# ------------------------------------------------------------------ SMTP
def smtp_server(certificate, key):
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    Controller(Sink(), hostname="", port=25, server_hostname="mail.example.org", tls_context=context).start()
    time.sleep(3600)


def smtp_client(host, authority):
    import smtplib
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"] = "alice@example.org", "bob@example.net"
    message["Subject"] = "Lunch"
    message["Date"], message["Message-ID"] = "Thu, 01 Jan 2026 12:00:00 +0000", "<1@example.org>"
    message.set_content("Shall we meet at noon?\n" * 12)
    for secure in (False, True):
        with smtplib.SMTP(host, 25, local_hostname="client.example.org") as server:
            if secure:
                server.starttls(context=ssl.create_default_context(cafile=authority))
            server.send_message(message)


# ------------------------------------------------------------------ FTP
def ftp_server(folder):
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(folder)
    FTPHandler.authorizer = authorizer
    FTPHandler.banner = "ftp.example.org ready."
    FTPServer(("::", 21), FTPHandler).serve_forever()


# ------------------------------------------------------------------ HTTP/3
def h3_server(certificate, key, folder, *addresses):
    from aioquic.asyncio import QuicConnectionProtocol, serve
    from aioquic.h3.connection import H3_ALPN, H3Connection
    from aioquic.h3.events import HeadersReceived
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.events import ProtocolNegotiated

    class Server(QuicConnectionProtocol):
        http = None

        def quic_event_received(self, event):
            if isinstance(event, ProtocolNegotiated):
                self.http = H3Connection(self._quic)
            for request in self.http.handle_event(event) if self.http else ():
                if isinstance(request, HeadersReceived):
                    self.answer(request)

        def answer(self, request):
            name = os.path.basename(dict(request.headers)[b":path"].decode()) or "index.html"
            path = os.path.join(folder, name)
            found = os.path.exists(path)
            body = open(path, "rb").read() if found else b"not found"
            head = [(b":status", b"200" if found else b"404"), (b"content-length", str(len(body)).encode())]
            self.http.send_headers(request.stream_id, head)
            self.http.send_data(request.stream_id, body, end_stream=True)
            self.transmit()

    async def run():
        configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
        configuration.load_cert_chain(certificate, key)
        for address in addresses:          # named one by one, so that answers come from the address that was asked
            await serve(address, 443, configuration=configuration, create_protocol=Server)
            await serve(address, 4433, configuration=configuration, create_protocol=Server, retry=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def h3_client(host, authority, port, *paths):
    from aioquic.asyncio import QuicConnectionProtocol, connect
    from aioquic.h3.connection import H3_ALPN, H3Connection
    from aioquic.h3.events import DataReceived, HeadersReceived
    from aioquic.quic.configuration import QuicConfiguration

    class Client(QuicConnectionProtocol):
        done = None

        def quic_event_received(self, event):
            for part in self.http.handle_event(event) if self.done else ():
                if isinstance(part, (DataReceived, HeadersReceived)) and part.stream_ended:
                    self.done.set()

        async def get(self, path):
            self.done = asyncio.Event()
            stream = self._quic.get_next_available_stream_id()
            head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"www.example.org"), (b":path", path.encode())]
            self.http.send_headers(stream, head, end_stream=True)
            self.transmit()
            await asyncio.wait_for(self.done.wait(), 10)

    async def run():
        configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="www.example.org", cafile=authority)
        async with connect(host, int(port), configuration=configuration, create_protocol=Client) as client:
            client.http = H3Connection(client._quic)
            for path in paths:
                await client.get(path)

    asyncio.run(run())


# ------------------------------------------------------------------ mDNS
def mdns_server(address):
    from zeroconf import ServiceInfo, Zeroconf

    info = ServiceInfo("_http._tcp.local.", "Printer._http._tcp.local.", addresses=[socket.inet_aton(address)], port=80,
                       properties={"path": "/index.html"}, server="printer.local.")
    with Zeroconf(interfaces=[address]) as zeroconf:
        zeroconf.register_service(info)
        time.sleep(8)


def mdns_client(address):
    from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

    class Listener(ServiceListener):
        def add_service(self, zeroconf, kind, name):
            zeroconf.get_service_info(kind, name)

        def update_service(self, zeroconf, kind, name):
            pass

        def remove_service(self, zeroconf, kind, name):
            pass

    with Zeroconf(interfaces=[address]) as zeroconf:
        ServiceBrowser(zeroconf, "_http._tcp.local.", Listener())
        time.sleep(4)


if __name__ == "__main__":
    known = (smtp_server, smtp_client, ftp_server, h3_server, h3_client, mdns_server, mdns_client)
    {f.__name__.replace("_", "-"): f for f in known}[sys.argv[1]](*sys.argv[2:])
