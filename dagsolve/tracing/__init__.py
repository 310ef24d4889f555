"""The doors: NumPy calls and Dask tasks recorded as graphs."""
