"""Work on one or two tiles or dense arrays: BLAS without the GIL, and formulas shared by adjoints."""
