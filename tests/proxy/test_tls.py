"""HTTPS between client and proxy, with a certificate made for the test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.proxy.app import create_app
from kong_plugins.aws_masker.proxy.server import Tls
from kong_plugins.aws_masker.settings import Settings
from tests.proxy.harness import KEY, PATIENCE, Exchange, instance, running, sized, upstream

VALUE = instance(5)


def made(folder: Path, password: bytes | None = None) -> Tls:
    """Write a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "aws-masker")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    tls = Tls(folder / "certificate.pem", folder / "key.pem")
    tls.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return tls


@pytest.mark.anyio
async def test_https(tmp_path: Path) -> None:
    """Masked and restored as without TLS; who does not trust the certificate gets nothing."""
    tls = made(tmp_path)
    trusting = ssl.create_default_context(cafile=str(tls.certificate))

    async def echo(exchange: Exchange) -> None:
        await exchange.send(sized(exchange.body))

    async with upstream(echo) as received:
        with running(create_app(received.url, Settings(), KEY), tls) as url:
            assert url.startswith("https://")
            async with httpx2.AsyncClient(verify=trusting, timeout=PATIENCE, trust_env=False) as client:
                answer = await client.post(f"{url}/v1/messages", json={"system": VALUE})
            async with httpx2.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as stranger:
                with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await stranger.post(f"{url}/v1/messages", json={"system": VALUE})
    assert answer.json() == {"system": VALUE}
    assert len(received.requests) == 1
    assert VALUE.encode() not in received.raw


def test_what_cannot_be_used(tmp_path: Path) -> None:
    """No such file, no certificate, another certificate's key, a key with a password: said before anything starts."""
    (tmp_path / "other").mkdir()
    tls, other = made(tmp_path), made(tmp_path / "other", b"secret")
    tls.check()
    for wrong in (Tls(tmp_path / "none", tls.key), Tls(tls.key, tls.key), Tls(other.certificate, tls.key), other):
        with pytest.raises(ConfigError, match=r"TLS|No such file"):
            wrong.check()
