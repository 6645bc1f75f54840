"""The rules as pure functions over integers: contracts, strategies and the audit use the same ones."""
