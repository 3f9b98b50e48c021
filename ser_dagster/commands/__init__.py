"""The commands of `ser`, a file each."""
