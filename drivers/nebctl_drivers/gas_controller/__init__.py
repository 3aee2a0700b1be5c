"""Mass flow controllers that feed a jet: register map and readings."""
