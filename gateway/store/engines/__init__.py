"""One engine a database: begin, run, commit, lock, wake, clock, backup, and nothing about webhooks."""
