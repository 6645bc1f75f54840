"""Blocks from elsewhere again, with the ledger on PostgreSQL."""

from tests.network.embedded import test_blocks_from_elsewhere
from tests.network.embedded.on_postgresql import again

globals().update(again(test_blocks_from_elsewhere))
