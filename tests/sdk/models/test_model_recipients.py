from __future__ import annotations

import msgspec
import pytest

from fedpact.identity import PrivateKeySigner
from fedpact.models import KeyAgreement, ModelCode, ModelError
from fedpact.models.recipients import (
    WrappedKey,
    certificate_key,
    content_key,
    fingerprint,
    unwrap_key,
    wrap_key,
)

ONE, TWO = PrivateKeySigner.from_seed(b"s" * 32, "one"), PrivateKeySigner.from_seed(b"s" * 32, "two")
HASH, OTHER = "ab" * 32, "cd" * 32
KEY = bytes(range(32))


def refusal(
    wrapped: WrappedKey, model_hash: str, signer: PrivateKeySigner, named: PrivateKeySigner
) -> ModelCode:
    with pytest.raises(ModelError) as refused:
        unwrap_key(wrapped, model_hash, signer, named.public_key)
    return refused.value.code


def test_a_key_opens_for_its_recipient_and_model_only():
    assert isinstance(ONE, KeyAgreement)
    wrapped = wrap_key(KEY, HASH, ONE.public_key)
    assert unwrap_key(wrapped, HASH, ONE, ONE.public_key) == KEY
    assert refusal(wrapped, OTHER, ONE, ONE) is ModelCode.MALFORMED
    assert refusal(wrapped, HASH, TWO, TWO) is ModelCode.MALFORMED
    assert refusal(wrapped, HASH, TWO, ONE) is ModelCode.MALFORMED
    assert refusal(wrapped, HASH, ONE, TWO) is ModelCode.MALFORMED


def test_no_two_wrappings_are_alike():
    assert wrap_key(KEY, HASH, ONE.public_key) != wrap_key(KEY, HASH, ONE.public_key)


@pytest.mark.parametrize("at", [0, 1, 40, 64])
def test_a_bent_point_is_refused(at):
    wrapped = wrap_key(KEY, HASH, ONE.public_key)
    point = bytearray(wrapped.ephemeral)
    point[at] ^= 1
    bent = msgspec.structs.replace(wrapped, ephemeral=bytes(point))
    assert refusal(bent, HASH, ONE, ONE) is ModelCode.MALFORMED


@pytest.mark.parametrize("at", [0, 31, 32, 47])
def test_a_bent_ciphertext_is_refused(at):
    wrapped = wrap_key(KEY, HASH, ONE.public_key)
    sealed = bytearray(wrapped.sealed)
    sealed[at] ^= 1
    assert (
        refusal(msgspec.structs.replace(wrapped, sealed=bytes(sealed)), HASH, ONE, ONE) is ModelCode.MALFORMED
    )


def test_content_keys_differ_by_model_and_secret():
    keys = {content_key(secret, model) for secret in (KEY, bytes(32)) for model in (HASH, OTHER)}
    assert len(keys) == 4
    assert content_key(KEY, HASH) == content_key(KEY, HASH)


def test_fingerprints_are_of_the_key(authority, owner):
    assert fingerprint(certificate_key(owner.certificate_pem)) == fingerprint(owner.public_key)
    assert len({fingerprint(signer.public_key) for signer in (ONE, TWO)}) == 2
    with pytest.raises(ModelError) as refused:
        certificate_key(b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    assert refused.value.code is ModelCode.MALFORMED
