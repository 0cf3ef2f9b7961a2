"""Side-by-side measurements: ours beside a peer, on the same input, turn by turn; each prints JSON."""
