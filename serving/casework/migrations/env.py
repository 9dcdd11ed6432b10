"""Runs migrations on the connection that `serving.casework.database` hands over, in its transaction."""

from alembic import context

from serving.casework.tables import Base

if hasattr(context, "config"):  # only Alembic's own run has one; whoever imports this as a module has not
    context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
    context.run_migrations()
