"""Certificate authorities of one's own, besides the system's: one file for Label Studio, recordings and the bucket."""

import atexit
import os
import ssl
import tempfile
from pathlib import Path

from shared.errors import SettingsError

VARIABLE = "SSL_CERT_FILE"  # read by OpenSSL and by the store's client
SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def trust(ca_file: str) -> None:
    """Trust the authorities in a PEM file in this process and its children. Call it before the first connection.

    Raises SettingsError if the file cannot be read or holds no certificate.
    """
    if not ca_file:
        return
    try:
        own = Path(ca_file).read_text()
        if not own.strip():
            raise ValueError("it is empty")
        ssl.create_default_context(cadata=own)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise SettingsError(
            f"CA_FILE is {ca_file}, which cannot be used ({error}); expected a file of certificates in PEM."
        ) from error
    opened, name = tempfile.mkstemp(prefix="authorities-", suffix=".pem")
    os.close(opened)
    path = Path(name)
    path.write_text(f"{_system()}\n{own}\n")
    atexit.register(path.unlink, missing_ok=True)
    os.environ[VARIABLE] = name


def _system() -> str:
    paths = (os.environ.get(VARIABLE), ssl.get_default_verify_paths().cafile, *SYSTEM)
    found = next((Path(path) for path in paths if path and Path(path).is_file()), None)
    return found.read_text() if found else ""
