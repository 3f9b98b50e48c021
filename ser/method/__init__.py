"""The method itself: selection, calibration, promotion, and the statistics they stand on."""
