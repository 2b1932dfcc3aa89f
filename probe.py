"""Evaluate a checkpoint's embeddings with probes: `python probe.py --help`."""

from musicssl.cli.probe import main

if __name__ == "__main__":
    main()
