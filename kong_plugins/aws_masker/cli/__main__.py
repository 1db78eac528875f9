"""`python -m kong_plugins.aws_masker.cli`: the command line without its console script."""

from kong_plugins.aws_masker.cli.main import main

if __name__ == "__main__":
    main(prog_name="aws-masker")
