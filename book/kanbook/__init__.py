"""The publishing machine: execute the chapters once, test them, render the book."""
