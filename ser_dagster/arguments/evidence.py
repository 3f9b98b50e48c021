"""The arguments of the commands about evidence: `audit`, `advise` and `study`."""

from ser_dagster.arguments.completion import datasets, named_queries, offer, presets, studies
from ser_dagster.arguments.options import add_dataset, add_evolution, add_json
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


def advise(parser: Parser) -> None:
    """`ser advise`."""
    add_dataset(parser)
    parser.add_argument("--recipe", metavar="NAME", help="the method of the run: paper, robust, or one of [recipes]")
    offer(parser.add_argument("--preset", metavar="NAME", help="the model with its settings"), presets)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable"
    )
    add_json(parser)
    parser.calls("ser_dagster.commands.advise:advise_command")


def study(parser: Parser) -> None:
    """`ser study`."""
    about = "one of those that come along (controls, seed-size, …), or a TOML file of yours"
    offer(parser.add_argument("study", metavar="STUDY", help=about), studies)
    about = "what is studied; repeatable; in place of the datasets that the study names"
    offer(parser.add_argument("--dataset", action="append", metavar="NAME", help=about), datasets)
    parser.add_argument("--out", metavar="FOLDER", help="where its outcomes and its page are (default docs/results)")
    parser.add_argument("--page-only", action="store_true", help="run nothing: write the page of what is known")
    add_json(parser)
    parser.calls("ser_dagster.commands.study:study_command")
