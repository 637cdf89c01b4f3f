"""The security settings of Kafka."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from libs.kafka_security import client_config


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kafka.example.com")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "ca.crt", tmp_path / "tls.key"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def test_it_asks_for_nothing_where_nothing_is_given() -> None:
    assert client_config("") == {}


def test_it_passes_a_login_on_without_tls() -> None:
    given = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_plain_username": "us"}

    assert client_config(json.dumps(given)) == given


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_it_trusts_the_given_authority_only_and_checks_names(
    protocol: str, certificate: tuple[Path, Path]
) -> None:
    given = {"security_protocol": protocol, "ssl_cafile": str(certificate[0])}

    context = client_config(json.dumps(given))["ssl_context"]

    assert [authority["serialNumber"] for authority in context.get_ca_certs()] == ["01"]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_it_leaves_no_file_name_for_the_client(certificate: tuple[Path, Path]) -> None:
    authority, key = (str(file) for file in certificate)
    given = {"security_protocol": "SSL", "ssl_certfile": authority, "ssl_keyfile": key}

    assert set(client_config(json.dumps(given))) == {"security_protocol", "ssl_context"}


def test_it_fails_at_once_where_a_file_is_missing() -> None:
    given = {"security_protocol": "SSL", "ssl_cafile": "/nowhere/ca.crt"}

    with pytest.raises(FileNotFoundError):
        client_config(json.dumps(given))
