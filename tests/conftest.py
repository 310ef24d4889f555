"""What every test shares: one BLAS thread, and a generator seeded by the test's own name."""

import os
import zlib

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # worker processes inherit it

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import scipy.linalg  # noqa: E402, F401  # loads SciPy's own OpenBLAS, which has a pool of its own
from hypothesis import settings  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

threadpool_limits(1)  # this process: a pytest plugin (zarr's) has imported NumPy before the lines above ran

settings.register_profile("dagsolve", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("dagsolve")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator whose stream depends on the test's name and parameters alone."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
