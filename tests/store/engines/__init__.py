"""What is an engine's own."""
