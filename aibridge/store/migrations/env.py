"""Where Alembic enters: it uses the connection, and the transaction, that `migrate` gives it."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
