"""What tasks print and log: whose it is, how it is captured, kept on disk, and read again."""
