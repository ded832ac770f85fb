"""Taking records in: checking them, and keeping them in a store. No HTTP here."""
