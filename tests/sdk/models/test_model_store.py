from __future__ import annotations

import copy
import hashlib
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from fedpact.identity import CertificateAuthority, Identity
from fedpact.models import ModelCode, ModelError, ModelRef, ModelStore, encode_tensors
from fedpact.models.copies import MAX_COPIES

MODEL = {"layer/w": np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4), "layer/b": np.zeros(4, "f4")}
HASH = hashlib.sha256(encode_tensors(MODEL)).hexdigest()


def opened_by(store_path: object, identity: Identity, **options: object) -> ModelStore:
    return ModelStore(str(store_path), identity, **options)


def code_of(act, *args: object, **options: object) -> ModelCode:
    with pytest.raises(ModelError) as refused:
        act(*args, **options)
    assert refused.value.advice
    return refused.value.code


def sealed_files(path: Path) -> list[Path]:
    return sorted(path.rglob("sealed"))


def test_a_model_comes_back_for_owner_and_recipient(tmp_path, store, reader, members):
    ref = store.put(MODEL, metadata={"round": "3"}, recipients=[reader.certificate_pem])
    assert ref == ModelRef(HASH, len(encode_tensors(MODEL)), f"store://{HASH}")
    for view in (store, opened_by(tmp_path, reader, members=members)):
        assert view.has(HASH)
        model = view.get(HASH, owner="NorthMSP/owner")
        assert model.keys() == MODEL.keys()
        assert all(np.array_equal(model[name], MODEL[name]) for name in MODEL)


def test_others_read_who_stored_it_but_not_what(tmp_path, store, stranger):
    store.put(MODEL, metadata={"b": "2", "a": "1"})
    view = opened_by(tmp_path, stranger)
    header = view.describe(HASH)
    assert (header.owner, header.metadata, header.hash) == ("NorthMSP/owner", {"a": "1", "b": "2"}, HASH)
    assert code_of(view.get, HASH) is ModelCode.NOT_A_RECIPIENT
    (file,) = sealed_files(tmp_path)
    assert MODEL["layer/w"].tobytes() not in file.read_bytes()
    assert b"layer/w" not in file.read_bytes()


def test_a_grant_opens_it_later(tmp_path, store, reader, stranger):
    store.put(MODEL)
    view = opened_by(tmp_path, reader)
    assert code_of(view.get, HASH) is ModelCode.NOT_A_RECIPIENT
    store.grant(HASH, reader.certificate_pem)
    assert view.get(HASH).keys() == MODEL.keys()
    assert code_of(opened_by(tmp_path, stranger).get, HASH) is ModelCode.NOT_A_RECIPIENT


def test_an_owner_grants_and_adds_after_a_restart(tmp_path, store, owner, reader, stranger, authority):
    store.put(MODEL, recipients=[reader.certificate_pem])
    again = opened_by(tmp_path, owner)
    late = authority.issue("late", role="member")
    again.grant(HASH, late.certificate_pem)
    again.put(MODEL, metadata={"note": "again"}, recipients=[stranger.certificate_pem])
    for member in (owner, reader, stranger, late):
        assert opened_by(tmp_path, member).get(HASH).keys() == MODEL.keys()
    assert again.describe(HASH).metadata == {"note": "again"}


def test_only_an_owner_grants(tmp_path, store, reader, stranger):
    store.put(MODEL, recipients=[reader.certificate_pem])
    assert code_of(opened_by(tmp_path, reader).grant, HASH, stranger.certificate_pem) is ModelCode.UNAVAILABLE
    assert code_of(store.grant, HASH, b"no certificate") is ModelCode.MALFORMED
    assert code_of(store.put, MODEL, recipients=[b"no certificate"]) is ModelCode.MALFORMED


def test_what_is_not_there(store):
    assert not store.has("00" * 32)
    with pytest.raises(ModelError) as missing:
        store.get("00" * 32)
    assert missing.value.code is ModelCode.UNAVAILABLE
    assert missing.value.retryable


@pytest.mark.parametrize("name", ["", "../" * 20, "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_hash(store, reader, name):
    for act in (store.get, store.has, store.describe):
        assert code_of(act, name) is ModelCode.MALFORMED
    assert code_of(store.grant, name, reader.certificate_pem) is ModelCode.MALFORMED


def test_every_altered_byte_is_found(tmp_path, store, reader):
    store.put(MODEL, recipients=[reader.certificate_pem])
    (file,) = sealed_files(tmp_path)
    whole = file.read_bytes()
    view = opened_by(tmp_path, reader)
    step = max(1, len(whole) // 400)
    for at in [*range(0, len(whole), step), len(whole) - 1]:
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            model = view.get(HASH)
        except ModelError:
            continue
        # what still opens was bent in another recipient's key or the case of a base64 padding bit
        assert encode_tensors(model) == encode_tensors(MODEL)
    body = len(encode_tensors(MODEL)) + 16
    for at in (len(whole) - body, len(whole) - 1):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert code_of(view.get, HASH) is ModelCode.HASH_MISMATCH
    for cut in (b"", whole[:3], whole[:100], b"PK" + whole[2:]):
        file.write_bytes(cut)
        assert code_of(view.get, HASH) is ModelCode.MALFORMED


def test_another_model_under_the_hash(tmp_path, store, reader):
    store.put(MODEL, recipients=[reader.certificate_pem])
    other = store.put({"w": np.ones(2)}, recipients=[reader.certificate_pem])
    one, two = (next(f for f in sealed_files(tmp_path) if name in f.parts) for name in (HASH, other.hash))
    one.write_bytes(two.read_bytes())
    assert code_of(opened_by(tmp_path, reader).get, HASH) is ModelCode.HASH_MISMATCH


def test_a_forged_owner(tmp_path, store, stranger, reader, owner, members):
    import msgspec

    from fedpact.models.sealed import pack, unpack

    store.put(MODEL, recipients=[reader.certificate_pem])
    (file,) = sealed_files(tmp_path)
    envelope, header, ciphertext = unpack(file.read_bytes(), HASH)
    text = msgspec.json.encode(msgspec.structs.replace(header, metadata={"quality": "best"}))
    forged = msgspec.structs.replace(envelope, header=text, signature=stranger.sign(text))
    file.write_bytes(pack(forged, bytes(ciphertext)))
    assert code_of(opened_by(tmp_path, reader).get, HASH) is ModelCode.BAD_SIGNATURE
    assert code_of(opened_by(tmp_path, reader, members=members).get, HASH) is ModelCode.BAD_SIGNATURE


def test_an_owner_who_is_no_member(tmp_path, reader, members):
    foreigner = CertificateAuthority.create("North Hospital", "NorthMSP").issue("owner", role="member")
    opened_by(tmp_path, foreigner).put(MODEL, recipients=[reader.certificate_pem])
    assert opened_by(tmp_path, reader).get(HASH).keys() == MODEL.keys()
    assert code_of(opened_by(tmp_path, reader, members=members).get, HASH) is ModelCode.BAD_SIGNATURE


def test_two_owners_of_one_model(tmp_path, store, reader, stranger):
    store.put(MODEL, recipients=[reader.certificate_pem])
    opened_by(tmp_path, stranger).put(MODEL)
    view = opened_by(tmp_path, reader)
    assert len(sealed_files(tmp_path)) == 2
    assert view.get(HASH).keys() == MODEL.keys()
    assert view.describe(HASH, owner="NorthMSP/stranger").owner == "NorthMSP/stranger"
    assert code_of(view.get, HASH, owner="NorthMSP/stranger") is ModelCode.NOT_A_RECIPIENT
    assert code_of(view.get, HASH, owner="NorthMSP/nobody") is ModelCode.BAD_SIGNATURE


def test_litter_in_the_store_does_not_hide_a_model(tmp_path, store, reader):
    store.put(MODEL, recipients=[reader.certificate_pem])
    folder = tmp_path / HASH[:2] / HASH
    (folder / "notes.txt").write_text("x")
    (folder / "00").mkdir()
    squatter = folder / ("0" * 64)
    squatter.mkdir()
    (squatter / "sealed").write_bytes(b"FPM1\xff\xff\xff\xff")
    (folder / ("1" * 64)).mkdir()
    assert len(list(folder.iterdir())) < MAX_COPIES
    assert opened_by(tmp_path, reader).get(HASH).keys() == MODEL.keys()


def test_sizes_are_bounded(tmp_path, store, owner, reader):
    store.put(MODEL)
    small = opened_by(tmp_path, owner, max_bytes=64)
    assert code_of(small.put, MODEL) is ModelCode.TOO_LARGE
    assert code_of(small.get, HASH) is ModelCode.TOO_LARGE
    assert code_of(store.put, MODEL, recipients=[b""] * 4_097) is ModelCode.TOO_LARGE
    assert code_of(store.put, MODEL, metadata={"k": "x" * 4_097}) is ModelCode.MALFORMED
    assert code_of(store.put, MODEL, metadata={str(i): "" for i in range(65)}) is ModelCode.MALFORMED
    (file,) = sealed_files(tmp_path)
    file.write_bytes(b"FPM1\xff\xff\xff\xff")
    assert code_of(store.get, HASH) is ModelCode.TOO_LARGE


def test_a_lost_copy_is_stored_again(tmp_path, store, owner, reader):
    store.put(MODEL, recipients=[reader.certificate_pem])
    (file,) = sealed_files(tmp_path)
    file.write_bytes(b"rubbish")
    opened_by(tmp_path, owner).put(MODEL, recipients=[reader.certificate_pem])
    assert opened_by(tmp_path, reader).get(HASH).keys() == MODEL.keys()


class SigningToken:
    """A hardware token that signs and does nothing else."""

    def __init__(self, identity: Identity) -> None:
        self.sign = identity.sign


def test_a_signer_without_key_agreement(tmp_path, owner, reader):
    token = Identity(owner.mspid, owner.certificate_pem, SigningToken(owner))
    view = opened_by(tmp_path, token, secret=bytes(32))
    view.put(MODEL)
    view.grant(HASH, reader.certificate_pem)
    assert opened_by(tmp_path, reader).get(HASH).keys() == MODEL.keys()
    assert code_of(view.get, HASH) is ModelCode.NOT_A_RECIPIENT
    other = opened_by(tmp_path, token, secret=b"1" * 32)
    assert code_of(other.grant, HASH, reader.certificate_pem) is ModelCode.HASH_MISMATCH


def test_one_secret_gives_one_ciphertext(tmp_path, owner):
    for name in ("a", "b"):
        opened_by(tmp_path / name, owner, secret=bytes(32)).put(MODEL)
    one, two = (sealed_files(tmp_path / name)[0].read_bytes() for name in ("a", "b"))
    body = len(encode_tensors(MODEL)) + 16
    assert one[-body:] == two[-body:]
    with pytest.raises(ValueError, match="32 bytes"):
        opened_by(tmp_path, owner, secret=b"short")


def test_readers_never_see_half_a_file(tmp_path, store, reader):
    big = {"w": np.arange(200_000, dtype="f8")}
    ref = store.put(big, recipients=[reader.certificate_pem])
    view = opened_by(tmp_path, reader)
    stop = threading.Event()
    failures: list[Exception] = []

    def read() -> None:
        while not stop.is_set():
            try:
                view.get(ref.hash)
            except ModelError as error:
                failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(10):
        store.put(big, recipients=[reader.certificate_pem])
    stop.set()
    thread.join(30)
    assert failures == []
    assert [f.name for f in tmp_path.rglob("*") if f.is_file()] == ["sealed"]


def test_a_full_disk_is_reported(tmp_path, owner):
    (tmp_path / "file").write_text("")
    view = opened_by(tmp_path / "file" / "below", owner)
    assert code_of(view.put, MODEL) is ModelCode.UNAVAILABLE
    assert not view.has(HASH)


def test_any_file_system_will_do(owner, reader, tmp_path):
    url = f"memory://{tmp_path.name}"
    opened_by(url, owner).put(MODEL, recipients=[reader.certificate_pem])
    assert opened_by(url, reader).get(HASH).keys() == MODEL.keys()
    assert opened_by(tmp_path.as_uri(), owner).has(HASH) is False


def test_a_store_keeps_its_secrets(store):
    with pytest.raises(TypeError):
        pickle.dumps(store)
    with pytest.raises(TypeError):
        copy.copy(store)
    assert "NorthMSP/owner" in repr(store)
