"""The throw-away certificate authority of one checkout, and the certificates that it signs on the fly.

Its key never leaves the state folder, it may sign for Google's hosts only (name constraints), and it enters no system store.
"""

from __future__ import annotations

import ssl
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.identity import write_secret

if TYPE_CHECKING:
    import trustme

DOMAINS = ("googleapis.com", "vertexai.goog", "pkg.dev")
"""The domains that are answered for; every other host is refused."""
VALID_DAYS = 3650


class Authority:
    """Makes the authority on first use and keeps its files in `folder`: `ca.pem` and `ca.key`."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        if not (self.certificate.exists() and self._key.exists()):
            _make(self.certificate, self._key)
        self.context = lru_cache(maxsize=256)(self._context)

    @cached_property
    def _signer(self) -> trustme.CA:
        import trustme

        return trustme.CA.from_pem(self.certificate.read_bytes(), self._key.read_bytes())

    def _context(self, host: str) -> ssl.SSLContext:
        """Server side of TLS for `host`. Clients that speak HTTP/1.1 get it; those that offer HTTP/2 alone speak gRPC."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._signer.issue_cert(host, common_name=host[:64]).configure_cert(context)
        context.set_alpn_protocols(["http/1.1", "h2"])
        return context


def answers_for(host: str) -> bool:
    """Whether `host` belongs to Google Cloud as it is emulated here."""
    return any(host == domain or host.endswith(f".{domain}") for domain in DOMAINS)


def _make(certificate: Path, key: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local Google Cloud of one checkout")])
    begin = datetime.now(UTC) - timedelta(days=1)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.NameConstraints([x509.DNSName(domain) for domain in DOMAINS], None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_secret(key, pem)
    # Last: where the certificate is, its key is too.
    write_secret(certificate, signed.public_bytes(serialization.Encoding.PEM))
