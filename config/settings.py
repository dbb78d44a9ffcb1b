"""The site's settings: one file, every choice read from the environment by name, loud when wrong.

``docs/settings.md`` lists each variable that is read here; a test compares the two.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

from almond.design.words import LANGUAGES as LANGUAGES_OF_STUDIES
from config.environment import SQLITE, Environment
from config.secret_key import read_secret_key
from lab.origins import origins_of_hosts

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(os.environ)

# Where a lab's data live: database, images, artifacts, datasets, exports.
ALMOND_HOME = env.folder("ALMOND_HOME", BASE_DIR / "var")
# Folders on the server from which experimenters may bring in images; the lab's own is always one of them.
DATA_ROOTS = [ALMOND_HOME, *env.folders("ALMOND_DATA_ROOTS")]

DEBUG = env.flag("ALMOND_DEBUG")
ALLOWED_HOSTS = env.hosts("ALMOND_HOSTS", "localhost,127.0.0.1,[::1]")
HTTPS = env.flag("ALMOND_HTTPS")
CSRF_TRUSTED_ORIGINS = [*env.origins("ALMOND_ORIGINS"), *origins_of_hosts(ALLOWED_HOSTS, https=HTTPS)]
SECRET_KEY = read_secret_key(env.text("ALMOND_SECRET_KEY"), ALMOND_HOME / "secret_key")
RECRUITMENT_KEY = read_secret_key(
    env.text("ALMOND_RECRUITMENT_KEY"),
    ALMOND_HOME / "recruitment_key",
    name="ALMOND_RECRUITMENT_KEY",
    loss="recruitment ids of earlier participants are not recognised any more",
)
# What Prolific asks for and where it is: another address is that of the mock, to learn with.
PROLIFIC_TOKEN = env.token("ALMOND_PROLIFIC_TOKEN")
PROLIFIC_SECRET = env.token("ALMOND_PROLIFIC_SECRET")
PROLIFIC_API = env.address("ALMOND_PROLIFIC_API", "https://api.prolific.com", ("https", "http")).rstrip("/")
PROLIFIC_APP = env.address("ALMOND_PROLIFIC_APP", "https://app.prolific.com", ("https", "http")).rstrip("/")

# The browser in which rehearsals go through the pages; empty: the first Chromium on the path.
CHROMIUM = env.program("ALMOND_CHROMIUM")

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
    "config.languages.LanguageOfPage",
    "config.error_pages.WordsForBareErrors",
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
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

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


PREPARED_FROM = 3
"""A statement is prepared when a connection has sent it so often."""


def read_database() -> dict[str, Any]:
    """Use SQLite in the lab's folder unless ``DATABASE_URL`` names another.

    SQLite runs in WAL mode with IMMEDIATE transactions and full synchronisation: with Django's default
    options about a tenth of concurrent posts were lost as "database is locked", with these none.
    """
    # A connection is kept for the next request: opening one costs more than an answer does.
    kept = {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    database = env.database("DATABASE_URL", ALMOND_HOME / "db.sqlite3")
    if database["ENGINE"] == SQLITE:
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000;",
        }
    else:
        database["ENGINE"] = "lab.postgresql"
        # What is asked again and again is planned once in a connection.
        database["OPTIONS"] |= {"server_side_binding": True, "prepare_threshold": PREPARED_FROM}
    return {**database, **kept}


DATABASES = {"default": read_database()}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-gb"
LANGUAGES = LANGUAGES_OF_STUDIES.choices()
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.zone("ALMOND_TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = ALMOND_HOME / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_files.PageFiles"
    },
}

SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# Addresses of the proxies in front, whose word is taken for a visitor's address (X-Forwarded-For).
ALMOND_PROXIES = env.addresses_of_machines("ALMOND_PROXIES")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024

# How jobs reach a worker: "polling" (a worker watches the Job table), "celery", or "inline" (tests).
JOBS_DISPATCHER = env.option("ALMOND_JOBS", "polling", ("polling", "celery", "inline"))
if JOBS_DISPATCHER == "celery":
    env.needs("ALMOND_JOBS", "celery", extra="celery")
BROKERS = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps")
CELERY_BROKER_URL = env.address("ALMOND_BROKER", "redis://127.0.0.1:6379/0", BROKERS)

LOG_LEVEL = env.option("ALMOND_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
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
    "SCRIPTS": [lambda request: static("js/ask.js")],
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
