"""What a turn costs, always beside pgbench on the same server in the same run."""
