"""What is told about requests: logs, and no value in any of them."""
