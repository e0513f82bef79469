"""What the machine does to the program, and what the program keeps: `python -m tests.faults` for the long form."""
