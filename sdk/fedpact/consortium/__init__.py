"""What members call: sessions on a consortium's ledger, and founding a consortium."""
