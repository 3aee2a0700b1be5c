"""The demonstration: a whole course against simulated devices, through the same API that a person presses."""
