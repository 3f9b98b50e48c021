"""`python -m ser_dagster.daemon`: Dagster's daemon, whose log has no credentials in it either."""

from dagster._daemon.cli import main

from resources.redacted_errors import redact_logs

if __name__ == "__main__":
    redact_logs()
    main()
