"""The site's settings: one file, every choice read from the environment by name, loud when wrong.

``docs/settings.md`` lists each variable that is read here; a test compares the two.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from lab.origins import origins_of_hosts

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# Where a lab's data live: database, images, artifacts, datasets, exports.
ALMOND_HOME = Path(env.str("ALMOND_HOME", default=str(BASE_DIR / "var"))).resolve()
ALMOND_HOME.mkdir(parents=True, exist_ok=True)
# Folders on the server from which experimenters may bring in images; the lab's own is always one of them.
DATA_ROOTS = [ALMOND_HOME, *(Path(folder) for folder in env.list("ALMOND_DATA_ROOTS", default=[]))]

DEBUG = env.bool("ALMOND_DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALMOND_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
HTTPS = env.bool("ALMOND_HTTPS", default=False)
CSRF_TRUSTED_ORIGINS = [
    *env.list("ALMOND_ORIGINS", default=[]),
    *origins_of_hosts(ALLOWED_HOSTS, https=HTTPS),
]


def read_secret_key() -> str:
    """Return the key in the environment, or else the one made for this machine (its owner alone reads it)."""
    if key := env.str("ALMOND_SECRET_KEY", default=""):
        if len(key) < 40:
            raise ImproperlyConfigured("ALMOND_SECRET_KEY: expected at least 40 characters")
        return key
    path = ALMOND_HOME / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text().strip()


SECRET_KEY = read_secret_key()

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "accounts",
    "jobs",
    "encoder",
    "generation",
    "studies",
    "ratings",
    "analysis",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = reverse_lazy("admin:login")

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def read_database() -> dict[str, Any]:
    """Use SQLite in the lab's folder unless ``DATABASE_URL`` names another.

    SQLite runs in WAL mode with IMMEDIATE transactions and full synchronisation: with Django's default
    options about a tenth of concurrent posts were lost as "database is locked", with these none.
    """
    # A connection is kept for the next request: opening one costs more than an answer does.
    kept = {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    database: dict[str, Any] = env.db_url("DATABASE_URL", default=f"sqlite:///{ALMOND_HOME / 'db.sqlite3'}")
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000;",
        }
    return {**database, **kept}


DATABASES = {"default": read_database()}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("ALMOND_TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = ALMOND_HOME / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]

SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# Addresses of the proxies in front, whose word is taken for a visitor's address (X-Forwarded-For).
ALMOND_PROXIES = env.list("ALMOND_PROXIES", default=[])
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024

# How jobs reach a worker: "polling" (a worker watches the Job table), "celery", or "inline" (tests).
JOBS_DISPATCHER = env.str("ALMOND_JOBS", default="polling")
if JOBS_DISPATCHER not in {"polling", "celery", "inline"}:
    raise ImproperlyConfigured(f"ALMOND_JOBS: {JOBS_DISPATCHER!r} (expected polling, celery or inline)")
CELERY_BROKER_URL = env.str("ALMOND_BROKER", default="redis://127.0.0.1:6379/0")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("ALMOND_LOG_LEVEL", default="INFO")},
}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Almond",
    "SITE_HEADER": "Almond",
    "SITE_SUBHEADER": "From brain data to human ratings",
    "SITE_SYMBOL": "neurology",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("icon.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("css/admin.css")],
    "DASHBOARD_CALLBACK": "config.front_page.front_page",
    "COLORS": {
        "primary": {
            "50": "#f0f7f6",
            "100": "#d9ecea",
            "200": "#b6dbd7",
            "300": "#86c2bd",
            "400": "#57a39f",
            "500": "#3b8885",
            "600": "#2d6d6c",
            "700": "#285857",
            "800": "#244747",
            "900": "#213c3c",
            "950": "#0f2223",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "config.front_page.navigation",
    },
}
