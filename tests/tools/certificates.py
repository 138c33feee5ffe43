#!/usr/bin/env python3
"""Our columns of certificates (`cert_*`) against the package `cryptography`, over all open captures with certificates in clear.

    certificates.py BINARY [JOBS]

The oracle puts the streams together and finds the Certificate messages; `cryptography` (PyPI) reads the first certificate of each. Known
differences: tests/certificates_differences.toml, one line `CAPTURE COLUMN NUMBER`, NUMBER = records that differ.
"""
import calendar
import csv
import hashlib
import json
import os
import sys
import tempfile
import warnings
from collections import Counter

import kit
from oracle_all import oracle

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning

# it warns of what old certificates hold
warnings.simplefilter("ignore", CryptographyDeprecationWarning)

KNOWN = os.path.join(kit.REPOSITORY, "tests", "certificates_differences.toml")
ENDS = ["src_ip", "dst_ip", "src_port", "dst_port", "start_time"]
COLUMNS = ["cert_subject_cn", "cert_issuer_cn", "cert_issuer_o", "cert_san_dns", "cert_not_before", "cert_not_after", "cert_validity_days",
           "cert_key_type", "cert_sig_alg", "cert_self_signed", "cert_sha256", "cert_expired_at_start"]
# RFC 3279, 4055, 5758, 8410
ALGORITHMS = {
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption", "1.2.840.113549.1.1.5": "sha1WithRSAEncryption", "1.2.840.113549.1.1.10": "rsassaPss",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption", "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption", "1.2.840.10045.4.1": "ecdsa-with-SHA1", "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384", "1.2.840.10045.4.3.4": "ecdsa-with-SHA512", "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448",
}


def text(value):
    """bytes as a column shows them: those outside of 0x20..0x7e and "%" as %XX, the first 256"""
    raw = value.encode() if isinstance(value, str) else value
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else "%%%02X" % byte for byte in raw[:256])


def first(name, kind):
    values = name.get_attributes_for_oid(kind)
    return text(values[0].value) if values else ""


def key(certificate):
    public = certificate.public_key()
    for kind, name in ((rsa.RSAPublicKey, "rsa"), (dsa.DSAPublicKey, "dsa"), (ec.EllipticCurvePublicKey, "ecdsa")):
        if isinstance(public, kind):
            return f"{name} {public.key_size}"
    return {ed25519.Ed25519PublicKey: "ed25519 256", ed448.Ed448PublicKey: "ed448 456"}.get(type(public).__mro__[-2], "?")


def expected(der, start):
    """the columns of a certificate in a record that starts at this second; its hash alone where `cryptography` cannot read it"""
    digest = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        return {"cert_sha256": digest}
    before, after = (calendar.timegm(time.timetuple()) for time in (certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    oid = x509.NameOID
    dotted = certificate.signature_algorithm_oid.dotted_string
    return {
        "cert_subject_cn": first(certificate.subject, oid.COMMON_NAME), "cert_issuer_cn": first(certificate.issuer, oid.COMMON_NAME),
        "cert_issuer_o": first(certificate.issuer, oid.ORGANIZATION_NAME), "cert_san_dns": [text(name) for name in names[:64]],
        "cert_not_before": str(before), "cert_not_after": str(after), "cert_validity_days": (after - before) / 86_400,
        "cert_key_type": key(certificate), "cert_sig_alg": ALGORITHMS.get(dotted, dotted),
        "cert_self_signed": str(certificate.subject == certificate.issuer).lower(), "cert_sha256": digest,
        "cert_expired_at_start": str(not before <= start <= after).lower(),
    }


def leaves(capture):
    """(ends, first certificate or nothing) of each record, in the order of rows"""
    _, program = oracle()
    settings = program.settings.Settings()
    packets, books = program.capture.load(kit.capture_path(capture))
    group = program.__main__.group_module("tls")
    for flow in program.flows.build(packets, books, settings):
        chain = group.certificate_list(group.facts(flow, settings))
        yield flow, chain[0] if chain else None


def compare(binary, capture, folder):
    """(lines `COLUMN NUMBER`, details, counts of equal values) of one capture"""
    found = list(leaves(capture))
    if not any(leaf for _, leaf in found):
        return [], [], Counter()
    base = os.path.join(folder, capture.replace("/", "_"))
    names = ", ".join(f'"{name}"' for name in [*ENDS, *COLUMNS])
    kit.run_spec(binary, kit.spec(kit.capture_path(capture), base + ".csv", "", f"only = [{names}]"), base)
    with open(base + ".csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != len(found):
        return [f"records {len(rows) - len(found)}"], [], Counter()
    different, same, details = Counter(), Counter(), []
    for row, (flow, leaf) in zip(rows, found):
        start = flow.start // 1_000_000_000
        wanted = expected(leaf, start) if leaf else dict.fromkeys(COLUMNS, "")
        for column, theirs in wanted.items():
            mine = row[column]
            if column == "cert_san_dns" and mine:
                mine = json.loads(mine)
            if column == "cert_validity_days" and mine:
                mine = float(mine)
            if mine == theirs:
                same[column] += leaf is not None
                continue
            different[column] += 1
            details.append(f"{column}: {row['src_ip']}:{row['src_port']} {row['dst_ip']}:{row['dst_port']}: ours {mine!r} theirs {theirs!r}")
    return [f"{column} {count}" for column, count in different.items()], details[:20], same


def main(binary, jobs=2):
    known = kit.Known(KNOWN)
    with tempfile.TemporaryDirectory() as folder:
        one = lambda name: compare(os.path.abspath(binary), name, folder)
        same, unknown, failed = known.judge_all(one, kit.captures(), int(jobs))
    for column, count in sorted(same.items()):
        print(f"{count:6} equal  {column}")
    code = known.close(unknown, f"certificates, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
