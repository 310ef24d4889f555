"""Pictures of block matrices, plans and runs; needs matplotlib, which nothing else here imports."""
