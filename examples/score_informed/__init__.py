"""Music performance assessment informed by the score: networks for pitch contours."""
