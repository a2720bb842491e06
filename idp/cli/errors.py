"""What an operator sees when a command fails: one sentence, never a traceback."""

from typing import Any

import click
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from idp.cli.database import database_error
from idp.core.crypto import SealError
from idp.core.errors import IdpError, Invalid


class Root(click.Group):
    """The root group: turns the product's errors into a sentence on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Invalid as error:
            raise click.ClickException(f"{error} ({error.detail})" if error.detail else str(error)) from error
        except (IdpError, SealError) as error:
            raise click.ClickException(str(error)) from error
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            raise click.ClickException(problem["msg"].removeprefix("Value error, ")) from error
        except DBAPIError as error:
            raise click.ClickException(str(database_error(error))) from error
        except BrokenPipeError:
            raise  # whoever reads has seen enough; click ends quietly
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{where}") from error
