"""What is left when things go wrong: kills, full disks, damage, company and bad files, on a tiny real model."""
