"""Trained networks in use: loading without Hydra and Lightning, predicting, exporting."""
