"""Version counters of cached configuration."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.storage.db import Base


class ConfigurationVersion(Base):
    """Counts the changes of one kind of cached record (`clients`, `keys`), so that workers notice them."""

    __tablename__ = "configuration_versions"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
