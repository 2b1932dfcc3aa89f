"""Source separation helped by instrument activity: IASS."""
