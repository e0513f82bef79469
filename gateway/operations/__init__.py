"""Beside the program: a unit, a container, a dashboard and alert rules, for operators to begin with."""
