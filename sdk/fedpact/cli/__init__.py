"""The command line: `fedpact <noun> <verb>`, one module for each noun."""
