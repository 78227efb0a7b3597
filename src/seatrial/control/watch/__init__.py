"""The first day, drift, objectives, alerts, the weekly worst 1 %, the re-evaluation calendar."""
