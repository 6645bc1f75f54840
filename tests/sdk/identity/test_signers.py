from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from hypothesis import given
from hypothesis import strategies as st

from fedpact.identity import IdentityError, PrivateKeySigner
from fedpact.identity.seeds import P256_ORDER, derive_bytes, derive_private_key
from fedpact.identity.signer import is_low_s, lower_s

ECDSA = ec.ECDSA(hashes.SHA256())
NUMBERS = st.one_of(
    st.integers(1, P256_ORDER - 1),
    st.integers(1, 2**240),
    st.sampled_from([1, P256_ORDER // 2, P256_ORDER // 2 + 1, P256_ORDER - 1, 2**255 - 1, 2**255, 2**247]),
)


@given(NUMBERS, NUMBERS)
def test_low_s_agrees_with_big_number_arithmetic(r: int, s: int) -> None:
    signature = utils.encode_dss_signature(r, s)
    assert is_low_s(signature) == (s <= P256_ORDER // 2)
    assert utils.decode_dss_signature(lower_s(signature)) == (r, min(s, P256_ORDER - s))


def test_every_signature_verifies_and_has_low_s() -> None:
    signer = PrivateKeySigner.generate()
    for number in range(40):
        message = b"message %d" % number
        signature = signer.sign(message)
        signer.public_key.verify(signature, message, ECDSA)
        assert utils.decode_dss_signature(signature)[1] <= P256_ORDER // 2


def test_seeded_signers_repeat_and_random_ones_do_not() -> None:
    seeded = PrivateKeySigner.from_seed(b"seed", "a")
    assert seeded.sign(b"m") == PrivateKeySigner.from_seed(b"seed", "a").sign(b"m")
    assert seeded.public_key != PrivateKeySigner.from_seed(b"seed", "b").public_key
    assert seeded.public_key != PrivateKeySigner.from_seed(b"other", "a").public_key
    unseeded = PrivateKeySigner.generate()
    assert unseeded.sign(b"m") != unseeded.sign(b"m")


def test_rfc6979_vector() -> None:
    # RFC 6979 A.2.5, P-256 with SHA-256, message "sample"; its S is high, ours is n - S.
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    signer = PrivateKeySigner(ec.derive_private_key(secret, ec.SECP256R1()), deterministic=True)
    assert utils.decode_dss_signature(signer.sign(b"sample")) == (r, P256_ORDER - s)


def test_derived_keys_are_pinned() -> None:
    # Golden: a change here would change every seeded consortium.
    assert derive_bytes(b"seed", "label", 8).hex() == "c8769a2dd48fc3cd"
    number = derive_private_key(b"seed", "label").private_numbers().private_value
    assert f"{number:064x}"[:16] == "222edfa941e66e72"
    with pytest.raises(ValueError, match="at least one byte"):
        derive_bytes(b"", "label", 8)


@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_pem_round_trip(password: bytes | None) -> None:
    signer = PrivateKeySigner.generate()
    pem = signer.private_key_pem(password)
    assert (b"ENCRYPTED" in pem) == (password is not None)
    assert PrivateKeySigner.from_pem(pem, password).public_key == signer.public_key


def test_refused_keys() -> None:
    signer = PrivateKeySigner.generate()
    p384 = ec.generate_private_key(ec.SECP384R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    clear = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    cases = [
        (signer.private_key_pem(b"right"), b"wrong", "KEY_LOCKED"),
        (signer.private_key_pem(b"right"), None, "KEY_LOCKED"),
        (signer.private_key_pem(), b"needless", "KEY_LOCKED"),
        (b"no key at all", None, "MALFORMED"),
        (p384.private_bytes(*clear), None, "WRONG_CURVE"),
        (edwards.private_bytes(*clear), None, "WRONG_CURVE"),
    ]
    for pem, password, code in cases:
        with pytest.raises(IdentityError) as caught:
            PrivateKeySigner.from_pem(pem, password)
        assert caught.value.code == code
    with pytest.raises(IdentityError) as caught:
        PrivateKeySigner(p384)
    assert caught.value.code == "WRONG_CURVE"


def test_two_keys_agree_on_one_secret() -> None:
    alice, bob = PrivateKeySigner.generate(), PrivateKeySigner.generate()
    assert alice.agree(bob.public_key) == bob.agree(alice.public_key)
    assert len(alice.agree(bob.public_key)) == 32


def test_keys_never_leave_by_accident() -> None:
    signer = PrivateKeySigner.generate()
    assert repr(signer) == "PrivateKeySigner(P-256)"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(signer)
