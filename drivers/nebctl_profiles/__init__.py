"""Device profiles: data only, one TOML file a device, with golden frames from its manual."""
