"""The demonstration: hospitals, one liar, real data, from registration to a verified ledger."""
