"""A certificate authority and a server's certificate, made for one test run."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def make_certificates(folder: Path, address: str = "127.0.0.1") -> tuple[Path, Path, Path]:
    """Write an authority's certificate, and a server's with its key, valid for `address`; return the files."""
    root, leaf = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    root_name, leaf_name = _name("test authority"), _name("test server")
    authority = (
        _certificate(root_name, root_name, root)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), critical=False)
        .sign(root, SHA256())
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
    certificate = (
        _certificate(leaf_name, root_name, leaf)
        .add_extension(alternative, critical=False)
        .add_extension(identifier, critical=False)
        .sign(root, SHA256())
    )
    files = folder / "authority.pem", folder / "server.pem", folder / "server.key"
    files[0].write_bytes(authority.public_bytes(Encoding.PEM))
    files[1].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[2].write_bytes(leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return x509.CertificateBuilder(
        issuer,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - datetime.timedelta(hours=1),
        now + datetime.timedelta(hours=24),
    )
