"""What is known of records: tables of answers whose verdicts came with them."""
