"""What was scanned: read as values, judged by tables, refused with a sentence each."""
