"""`kubectl allusesystem`: what a person asks of a running system. Reads through kubectl, renders purely."""
