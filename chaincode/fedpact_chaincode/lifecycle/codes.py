"""What `_lifecycle` refuses."""

from __future__ import annotations

from fedpact_chaincode.errors import Kind, code

BAD_CHAINCODE_NAME = code(
    700, "BAD_CHAINCODE_NAME", Kind.INVALID_ARGUMENT, "a chaincode cannot be called like this"
)
BAD_CHAINCODE_VERSION = code(
    701, "BAD_CHAINCODE_VERSION", Kind.INVALID_ARGUMENT, "a version has 1 to 255 of A-Z, a-z, 0-9, _ . + -"
)
BAD_COLLECTION = code(
    702, "BAD_COLLECTION", Kind.INVALID_ARGUMENT, "a collection cannot be defined like this"
)
BAD_CHAINCODE_POLICY = code(
    703, "BAD_CHAINCODE_POLICY", Kind.INVALID_ARGUMENT, "nobody could ever satisfy the endorsement policy"
)
WRONG_SEQUENCE = code(
    704, "WRONG_SEQUENCE", Kind.FAILED_PRECONDITION, "the definition does not follow the committed one"
)
DEFINITION_DIFFERS = code(
    705, "DEFINITION_DIFFERS", Kind.CONFLICT, "another definition is committed under this sequence"
)
ALREADY_APPROVED = code(
    706, "ALREADY_APPROVED", Kind.CONFLICT, "the organisation has approved exactly this definition"
)
NOT_APPROVED = code(
    707,
    "NOT_APPROVED",
    Kind.FAILED_PRECONDITION,
    "an endorsing organisation has not approved this definition",
)
DEFINITION_NOT_FOUND = code(
    708, "DEFINITION_NOT_FOUND", Kind.NOT_FOUND, "no definition is committed under this name"
)
APPROVAL_NOT_FOUND = code(
    709, "APPROVAL_NOT_FOUND", Kind.NOT_FOUND, "the organisation has approved no such definition"
)
PACKAGE_NOT_FOUND = code(710, "PACKAGE_NOT_FOUND", Kind.NOT_FOUND, "no such chaincode is installed here")
NOT_INSTALLED_BY_CALL = code(
    711,
    "NOT_INSTALLED_BY_CALL",
    Kind.FAILED_PRECONDITION,
    "the chaincodes of a node are those it was started with",
)
NO_PEER_HERE = code(
    712, "NO_PEER_HERE", Kind.FORBIDDEN, "no peer of the caller's organisation executes this call"
)
COLLECTION_CHANGED = code(
    713,
    "COLLECTION_CHANGED",
    Kind.CONFLICT,
    "a committed collection may neither vanish nor change its block to live",
)
