"""What a loop's tasks hear of commits."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from fedpact_network.embedded.notifier import Notifier
from fedpact_network.server.commits import Commits


def test_a_block_that_is_told_while_the_server_ends_does_not_fail_the_node():
    """The block stage tells those who listened when it began to tell, also who has ended since."""
    notifier, loop = Notifier(1), asyncio.new_event_loop()
    commits = Commits(SimpleNamespace(notifier=notifier), loop)
    loop.close()
    notifier.publish(2, [])
    notifier.stop("over")
    assert notifier.height == 2
    assert commits.height == 1
