"""The arguments of the command about evidence: `audit`."""

from ser_dagster.arguments.completion import named_queries, offer
from ser_dagster.arguments.options import add_dataset, add_evolution
from ser_dagster.arguments.parser import Parser


def audit(parser: Parser) -> None:
    """`ser audit`."""
    parser.usage = "%(prog)s [QUERY | --sql SQL] [options]"
    query = parser.add_argument("query", nargs="?", metavar="QUERY", help="without one, the named queries are listed")
    offer(query, named_queries)
    parser.add_argument("--sql", help="a read-only SQL statement")
    parser.add_argument("--pair", metavar="ID", help="the pair of the query `history`")
    add_dataset(parser, "whose evolution a named query is about")
    add_evolution(
        parser,
        "its full name, the name you gave it, or how its snapshot or settings digest begins (default: the last)",
    )
    parser.add_argument("--format", choices=["table", "csv", "json"], help="of the answer (default table)")
    parser.add_argument("--rebuild", action="store_true", help="make the database again from the artifacts")
    parser.calls("ser_dagster.commands.audit:audit_command")
