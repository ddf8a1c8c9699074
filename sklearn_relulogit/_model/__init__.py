"""The model: the network, its likelihood, what is minimised, and predictions.

Equation (1) of the documentation, its gradients, and the sums over rows. Nothing here
depends on scikit-learn's estimators or on an optimiser.
"""
