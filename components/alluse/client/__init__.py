"""The terminal client: talks to the agent and runs the four workflows on a running system."""
