"""`gateway ...`: a client of /v1, and the commands that start a gateway."""
