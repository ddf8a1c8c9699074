"""The optimiser: L-BFGS, its coordinates, what watches it, and training from starts."""
