"""What is known of a golden id: the golden record, its purchases, visits and contacts."""
