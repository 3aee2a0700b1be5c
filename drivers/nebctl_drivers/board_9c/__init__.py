"""The 9C nebulizer main board: binary frames on a serial line, a mesh on a sub-board of its own."""
