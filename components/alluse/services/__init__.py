"""The components: each module holds one `SERVICE`."""
