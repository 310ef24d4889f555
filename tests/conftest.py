"""What tests share: one BLAS thread, generators seeded by a test's own name, a cluster of two processes."""

import logging
import os
import signal
import zlib
from collections.abc import Iterator

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # worker processes inherit it

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import scipy.linalg  # noqa: E402, F401  # loads SciPy's own OpenBLAS, which has a pool of its own
from distributed import Client, LocalCluster  # noqa: E402
from hypothesis import settings  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

threadpool_limits(1)  # this process: a pytest plugin (zarr's) has imported NumPy before the lines above ran

settings.register_profile("dagsolve", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("dagsolve")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator whose stream depends on the test's name and parameters alone."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts raise KeyboardInterrupt, also where this process was started with them ignored (by `&`)."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture(scope="session")
def two_processes() -> Iterator[LocalCluster]:
    """A cluster of two worker processes, started once; whoever kills or configures workers starts his own.

    It has no client: a test that connects one decides whether that is the active one.
    """
    options = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        with Client(cluster, set_as_default=False) as client:
            client.run(exec, "import dagsolve")  # seconds, which no test is to count
        yield cluster
