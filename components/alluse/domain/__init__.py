"""The rules of ALL-USE as pure functions: no input or output, no clock, no randomness of their own."""
