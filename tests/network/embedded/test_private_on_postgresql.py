"""Private data again, with the ledger on PostgreSQL."""

from tests.network.embedded import test_private_commit
from tests.network.embedded.on_postgresql import again

globals().update(again(test_private_commit))
