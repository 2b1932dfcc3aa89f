"""Train a classifier of music from few labels and a lot of audio: `python train.py --help`."""

from musicssl.cli.train import main

if __name__ == "__main__":
    main()
