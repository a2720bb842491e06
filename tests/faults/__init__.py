"""What happens when processes are killed and stores stop: SECURITY's invariants I1 to I10."""
