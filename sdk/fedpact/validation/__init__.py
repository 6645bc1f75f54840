"""Which transactions of a block are valid, and what the block changes: one answer for nodes and audits.

Pure: a function of the chain. `parse` and `examine` look at one envelope each, in any order or thread;
`validate_block` takes them together with the state.
"""

from fedpact.validation.block import ValidatedBlock, block_to_live, configuration, validate_block
from fedpact.validation.channel_rules import ChannelRules, Committed
from fedpact.validation.examination import MAX_ENDORSEMENTS, Examined, Known, examine
from fedpact.validation.orderers import BlockError, check_link, envelopes_fault, signature_fault
from fedpact.validation.parsing import ConfigTransaction, Parsed, parse
from fedpact.validation.state_update import Expiry, HashedKey, StateUpdate

__all__ = [
    "MAX_ENDORSEMENTS",
    "BlockError",
    "ChannelRules",
    "Committed",
    "ConfigTransaction",
    "Examined",
    "Expiry",
    "HashedKey",
    "Known",
    "Parsed",
    "StateUpdate",
    "ValidatedBlock",
    "block_to_live",
    "check_link",
    "configuration",
    "envelopes_fault",
    "examine",
    "parse",
    "signature_fault",
    "validate_block",
]
