"""The rows: from the arguments of a user to checked, weighted rows for a fit.

In memory, on a device, or on a Dask cluster. Rows return numbers; they know nothing of
estimators, optimisers or searches.
"""
