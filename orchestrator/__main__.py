"""`python -m orchestrator`: the service's command line without the evaluation commands."""

from orchestrator.cli.main import main

if __name__ == "__main__":
    main()
