"""The node's tests again, with the ledger on PostgreSQL."""

from tests.network.embedded import (
    test_gateway_over_node,
    test_node_end_to_end,
    test_node_refusals,
    test_node_validation,
)
from tests.network.embedded.on_postgresql import again

globals().update(
    again(test_gateway_over_node, test_node_end_to_end, test_node_refusals, test_node_validation)
)
