"""Credit: accounts in double entry, issued by the council, conserved by every transaction."""
