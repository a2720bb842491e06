"""Floor 2: what the rooms above share: signing keys, the audit trail, guessing limits, mail."""
