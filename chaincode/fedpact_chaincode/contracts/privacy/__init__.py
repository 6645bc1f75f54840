"""Privacy: what an owner lets each requester learn, and what has been spent of it."""
