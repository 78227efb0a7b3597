"""What needs payloads: datasets, scorers, judges, labelling, shadow comparison."""
