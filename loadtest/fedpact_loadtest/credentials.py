"""Files of a served benchmark: the node's TLS certificate, the client's certificate and key."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fedpact.identity import Identity, PrivateKeySigner
from fedpact.identity.private_files import make_private_folder, write_private_file


def write_tls(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for `localhost`, signed by itself, valid for a day; return it and its key, PEM."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _write(folder, "tls", made.public_bytes(Encoding.PEM), private)


def write_identity(folder: Path, identity: Identity) -> tuple[Path, Path]:
    """Write a certificate and its key, PEM, as Fabric's clients read them."""
    if not isinstance(identity.signer, PrivateKeySigner):
        raise TypeError("the benchmark's own identities have their keys in memory")
    return _write(folder, "client", identity.certificate_pem, identity.signer.private_key_pem(None))


def _write(folder: Path, name: str, certificate: bytes, key: bytes) -> tuple[Path, Path]:
    make_private_folder(folder)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate)
    write_private_file(paths[1], key)
    return paths
