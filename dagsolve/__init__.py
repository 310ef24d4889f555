"""Reverse-mode differentiation as a sparse block-triangular solve whose elements are operators."""
