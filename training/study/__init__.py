"""Studies: several variants of one recipe, each trained with several seeds, so that they can be compared."""
