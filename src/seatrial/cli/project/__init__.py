"""A project: `seatrial.toml` read and checked, bundled, locked, and made into a release."""
