"""The ALL-USE components: one image, sixteen processes."""
