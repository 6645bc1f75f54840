"""Private data between endorsement and commit, and those that come late, with the ledger on PostgreSQL."""

from tests.network.embedded import test_private_supply, test_transient_store
from tests.network.embedded.on_postgresql import again

globals().update(again(test_private_supply, test_transient_store))
