"""Build step of the language components: trains the model of intents and reports how good it is."""
