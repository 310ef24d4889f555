"""The execution of plans on Dask: events, placement, tasks, waves and the executor that holds the client.

The files lie in `scheduler/` at the top of the repository and are installed as `dagsolve.scheduler`.
"""

if __name__ != "dagsolve.scheduler":  # a second copy of every class would live under the other name
    raise ImportError(
        f"this package was imported as {__name__!r}; its only name is 'dagsolve.scheduler': "
        "write `import dagsolve.scheduler` or `from dagsolve.scheduler import …`"
    )
