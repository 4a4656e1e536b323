"""The parts of the command line. Nothing here imports torch before a command does its work."""
