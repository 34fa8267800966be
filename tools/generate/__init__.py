"""Writes what is generated from the API types: the CustomResourceDefinition and its reference page."""
