"""`python -m musicssl COMMAND ...`, the same as the command `musicssl`."""

from musicssl.cli.main import main

if __name__ == "__main__":
    main()
