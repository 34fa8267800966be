"""The pure core: what is wanted, what is seen, what to do, what to say. No I/O, no clock, no randomness."""
