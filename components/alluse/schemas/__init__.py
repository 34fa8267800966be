"""Values that travel: vocabulary, parameters and the wire types that a caller and its callee share."""
