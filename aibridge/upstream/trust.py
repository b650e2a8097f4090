"""Whom TLS trusts: the authorities of this machine, or those an operator names. The environment has no say."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/cert.pem",  # Red Hat
    "/etc/ssl/cert.pem",  # macOS
    "/etc/ssl/ca-bundle.pem",  # SUSE
)


def authorities(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts the certificates in `ca_file` (PEM) and no others.

    Raises ValueError where the file cannot be read or holds no certificate.
    """
    context = _context()
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError(f"ca_file {ca_file} holds no certificate: it must be a PEM file of authorities") from None
    except OSError as error:
        raise ValueError(f"ca_file {ca_file} cannot be read: {error.strerror}") from None
    return context


@cache
def system_authorities() -> ssl.SSLContext:
    """A context that trusts what this machine trusts. Reading the bundle takes some 20 ms, so there is one."""
    context = _context()
    built_in = ssl.get_default_verify_paths()
    bundle = next(filter(Path.is_file, map(Path, (built_in.openssl_cafile, *_BUNDLES))), None)
    context.load_verify_locations(bundle, None if bundle else built_in.openssl_capath)
    return context


def _context() -> ssl.SSLContext:
    # Not ssl.create_default_context(): it obeys SSL_CERT_FILE and would log session keys to SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    return context
