"""Explanations: local coefficients, linear regions, and pictures of them."""
