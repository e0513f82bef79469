"""What the gateway does a second, beside what the machine could do without it: `python -m tests.bench`."""
