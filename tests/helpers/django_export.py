"""Users as Django's own `dumpdata` writes them.

`tests/unit/django_users.json` was written by this file, in an environment of its own:

    uv run --no-project --with django python tests/helpers/django_export.py > tests/unit/django_users.json
"""

import sys

PASSWORD = "pässwörd of old 🔑"


def main() -> None:
    """Make five users in an empty database and dump them."""
    import django
    from django.conf import settings

    hashers = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2", "Scrypt", "MD5")]
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        PASSWORD_HASHERS=hashers,
        USE_TZ=True,
    )
    django.setup()
    from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    PBKDF2PasswordHasher.iterations = 1000
    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", "ada@example.com", PASSWORD, first_name="Ada", last_name="Lovelace")
    ada.groups.add(Group.objects.create(name="editors"))
    User.objects.create_user("bob", "bob@example.com", None, is_active=False)
    User.objects.create(username="eve", email="eve@example.com", password=make_password(PASSWORD, hasher="scrypt"))
    User.objects.create(username="mia", email="mia@example.com", password=make_password(PASSWORD, hasher="md5"))
    User.objects.create_user("nobody", "", None)
    call_command("dumpdata", "auth.User", "auth.Group", indent=1, use_natural_foreign_keys=True, stdout=sys.stdout)


if __name__ == "__main__":
    main()
