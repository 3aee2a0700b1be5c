"""A certificate authority for tests, and the certificates that it gives out; never for a site in use."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """The PEM files of one certificate."""

    cert: Path
    key: Path


def name_of(common_name: str) -> x509.Name:
    """Return a subject with this name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def write(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path


class Authority:
    """An authority whose files lie in a folder; `ca` is its certificate."""

    def __init__(self, folder: Path, name: str = "site authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of(name)
        builder = self._begin(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._cert = builder.sign(self._key, hashes.SHA256())
        self.ca = write(folder / "ca.crt", self._cert.public_bytes(serialization.Encoding.PEM))

    def _begin(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.fromtimestamp(0, datetime.UTC) + DAY * 20_000
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now).not_valid_after(now + 10_000 * DAY)

    def give(self, name: str) -> Files:
        """Return the files of a new certificate for a client, or for a broker on this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = self._begin(name_of(name), key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        cert = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False).sign(self._key, hashes.SHA256())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        cert_file = write(self._folder / f"{name}.crt", cert.public_bytes(serialization.Encoding.PEM))
        return Files(cert_file, write(self._folder / f"{name}.key", pem))

    def revoke(self, *certificates: Files) -> Path:
        """Return the list of revoked certificates, newly written."""
        now = datetime.datetime.fromtimestamp(0, datetime.UTC) + DAY * 20_000
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now).next_update(now + 10_000 * DAY)
        for files in certificates:
            serial = x509.load_pem_x509_certificate(files.cert.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        revoked = builder.sign(self._key, hashes.SHA256())
        return write(self._folder / "revoked.pem", revoked.public_bytes(serialization.Encoding.PEM))
