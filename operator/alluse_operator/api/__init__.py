"""The `AllUseSystem` API: types, conditions, validation and the CustomResourceDefinition made from them."""
