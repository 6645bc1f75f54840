import os
import subprocess
import sys

import pytest
from flwr.app import Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedpact_flower import runtime
from fedpact_flower.runtime import flower_internals as flower


def _in_a_new_process(program: str, *arguments: str, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLWR_")}
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.strip()


_FRESH_START = """
import os, sys
import fedpact_flower
assert "flwr" not in sys.modules, "the package itself must not load Flower"
from fedpact_flower.runtime import flower_internals as flower
from flwr.app import Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from flwr.supercore.telemetry import FLWR_TELEMETRY_ENABLED
if "deployed" in sys.argv:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 77, 1, 5
print(FLWR_TELEMETRY_ENABLED, os.environ["FLWR_DISABLE_UPDATE_CHECK"])
print(flower.adopt_server_identity(), flower.adopt_server_identity())
print(Message(RecordDict(), 101, "query").metadata.run_id, TaskIdentity.task_id)
"""


def test_flower_does_not_call_home_and_gets_an_identity():
    assert _in_a_new_process(_FRESH_START).splitlines() == ["0 1", "1 1", "1 1"]


def test_what_is_already_decided_is_respected():
    lines = _in_a_new_process(_FRESH_START, "deployed", FLWR_TELEMETRY_ENABLED="1").splitlines()
    assert lines == ["1 1", "77 77", "77 5"]


def test_acting_as_a_node_ends_with_the_body():
    flower.adopt_server_identity()
    with pytest.raises(KeyError), flower.acting_as(123):
        assert TaskIdentity.node_id == 123
        raise KeyError
    assert TaskIdentity.node_id == flower.SERVER_NODE_ID


def test_an_error_message_survives_the_wire():
    flower.adopt_server_identity()
    message = Message(RecordDict(), 101, "query")
    flower.stamp(message, "1-5")
    reply = Message(Error(code=2, reason="because"), reply_to=message)
    arrived = flower.join_message(*flower.split_message(reply))
    assert (arrived.error.code, arrived.error.reason) == (2, "because")
    assert arrived.metadata.reply_to_message_id == "1-5"


def test_public_names_are_sorted_and_documented():
    assert runtime.__all__ == sorted(runtime.__all__, key=lambda name: (not name.isupper(), name))
    for name in runtime.__all__:
        public = getattr(runtime, name)
        assert isinstance(public, int) or public.__doc__
