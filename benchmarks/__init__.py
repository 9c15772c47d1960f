"""What is timed or scored, against what; one command each."""
