"""Semi- and weakly supervised learning about music from few labels and much audio."""
