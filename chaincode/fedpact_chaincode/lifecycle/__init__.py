"""The system chaincode `_lifecycle`: members agree on a contract's definition before it runs."""
