"""Tasks: what a requester asks for, under which rules, and pays into escrow before anyone joins."""
