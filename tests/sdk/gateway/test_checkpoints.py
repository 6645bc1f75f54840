"""Checkpoints: Fabric's semantics, and a file that is whole at every moment."""

import json
import os

import pytest

from fedpact.gateway.checkpoints import CheckpointError, FileCheckpointer, InMemoryCheckpointer
from fedpact.gateway.event_kinds import ChaincodeEvent

EVENT = ChaincodeEvent(7, "t1", "fedpact", "made", b"")


@pytest.fixture(params=["memory", "file"])
def checkpointer(request, tmp_path):
    return InMemoryCheckpointer() if request.param == "memory" else FileCheckpointer(tmp_path / "place")


def place(checkpointer):
    return checkpointer.block_number, checkpointer.transaction_id


def test_a_fresh_one_knows_nothing(checkpointer):
    assert place(checkpointer) == (None, "")


def test_a_block_means_the_next_one_and_no_transaction(checkpointer):
    checkpointer.checkpoint_transaction(3, "t")
    checkpointer.checkpoint_block(3)
    assert place(checkpointer) == (4, "")


def test_a_transaction_means_its_block(checkpointer):
    checkpointer.checkpoint_transaction(3, "t")
    assert place(checkpointer) == (3, "t")
    checkpointer.checkpoint_chaincode_event(EVENT)
    assert place(checkpointer) == (7, "t1")


def test_negative_blocks_are_refused(checkpointer):
    with pytest.raises(ValueError):
        checkpointer.checkpoint_transaction(-1, "t")
    assert place(checkpointer) == (None, "")


def test_the_file_is_that_of_the_node_client(tmp_path):
    path = tmp_path / "place.json"
    checkpointer = FileCheckpointer(path)
    assert json.loads(path.read_text()) == {}
    checkpointer.checkpoint_chaincode_event(EVENT)
    assert json.loads(path.read_text()) == {"blockNumber": "7", "transactionId": "t1"}
    checkpointer.checkpoint_block(2**60)
    assert json.loads(path.read_text()) == {"blockNumber": str(2**60 + 1)}
    assert place(FileCheckpointer(path)) == (2**60 + 1, "")
    assert [found.name for found in tmp_path.iterdir()] == ["place.json"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", (None, "")),
        ("{}", (None, "")),
        ('{"blockNumber":5,"transactionId":""}', (5, "")),
        ('{"blockNumber":"5","transactionId":"t"}', (5, "t")),
        ('{"blockNumber":null}', (None, "")),
    ],
)
def test_what_the_official_clients_write_is_read(tmp_path, content, found):
    path = tmp_path / "place"
    path.write_text(content)
    assert place(FileCheckpointer(path)) == found


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"blockNumber":-1}',
        b'{"blockNumber":true}',
        b'{"blockNumber":1.5}',
        b'{"blockNumber":"x"}',
        b'{"blockNumber":1,"transactionId":5}',
        b" " * 5000 + b"{}",
    ],
)
def test_a_damaged_file_is_told_and_kept(tmp_path, content):
    path = tmp_path / "place"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        FileCheckpointer(path)
    assert caught.value.code == "CHECKPOINT_DAMAGED"
    assert path.read_bytes() == content


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "place"
    checkpointer = FileCheckpointer(path)
    checkpointer.checkpoint_block(1)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        checkpointer.checkpoint_block(2)
    assert place(checkpointer) == (2, "")
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["place"]


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path):
    with pytest.raises(OSError):
        FileCheckpointer(tmp_path / "missing" / "place")
