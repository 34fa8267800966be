def page(definition, catalog): return "# AllUseSystem\n"
