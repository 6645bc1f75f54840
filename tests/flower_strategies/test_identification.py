from datetime import UTC, datetime

import pytest

from fedpact.identity import CertificateAuthority, public_key_hex
from fedpact_flower.identification import answer, proves

CHALLENGE = bytes(range(32))


@pytest.fixture(scope="module")
def node():
    authority = CertificateAuthority.create(
        "Org", "OrgMSP", seed=b"s" * 32, not_before=datetime(2024, 1, 1, tzinfo=UTC)
    )
    return authority.issue("node", role="member")


def test_a_member_proves_who_it_is(node):
    assert proves(public_key_hex(node.certificate), answer(node, CHALLENGE, 7), CHALLENGE, 7)


def test_a_proof_is_good_for_one_challenge_and_one_flower_node(node):
    key, proof = public_key_hex(node.certificate), answer(node, CHALLENGE, 7)
    assert not proves(key, proof, CHALLENGE[::-1], 7)
    assert not proves(key, proof, CHALLENGE, 8)
    assert not proves(key, b"", CHALLENGE, 7)
    assert not proves("04" + "00" * 64, proof, CHALLENGE, 7)


def test_only_challenges_are_signed(node):
    with pytest.raises(ValueError, match="32 bytes"):
        answer(node, b"a whole proposal", 7)
