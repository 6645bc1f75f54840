"""One module or package per contract: its messages, records, rules and errors together."""
