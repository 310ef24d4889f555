"""Every program of this folder by its family and name."""

from tests.dask_programs import contractions, elementwise, mapped, reductions, shaping
from tests.dask_programs.program import Program

FAMILIES: dict[str, dict[str, Program]] = {
    "ufuncs": elementwise.UFUNCS,
    "elementwise": elementwise.PROGRAMS,
    "reductions": reductions.PROGRAMS,
    "shaping": shaping.PROGRAMS,
    "contractions": contractions.PROGRAMS,
    "mapped": mapped.PROGRAMS,
}
PROGRAMS: dict[str, Program] = {name: p for family in FAMILIES.values() for name, p in family.items()}
