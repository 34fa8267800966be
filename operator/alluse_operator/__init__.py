"""The AllUseSystem operator."""
