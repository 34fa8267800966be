"""Where alerts go: the sinks of an installation, what they are sent, and how it gets there."""
