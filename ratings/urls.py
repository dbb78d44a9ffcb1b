"""Addresses of the participants' pages."""

from django.urls import URLPattern, URLResolver, path

from ratings import api, views
from ratings.pages import previews

urlpatterns: list[URLPattern | URLResolver] = [
    path("study/<slug:slug>/", views.join, name="participant_join"),
    path("study/<slug:slug>/consent.txt", views.consent_copy, name="participant_consent_copy"),
    path("study/<slug:slug>/declined/", views.declined, name="participant_declined"),
    path("panels/prolific/events", api.prolific_events, name="prolific_events"),
    path("withdraw/", views.leave, name="participant_leave"),
    path("go-on/<str:device_pass>/", views.go_on, name="participant_go_on"),
    path("take/<str:token>/", views.study, name="participant_study"),
    path("take/<str:token>/state", api.state, name="participant_state"),
    path("take/<str:token>/responses", api.responses, name="participant_responses"),
    path("take/<str:token>/events", api.events, name="participant_events"),
    path("take/<str:token>/finish", api.finish, name="participant_finish"),
    path("take/<str:token>/done", views.done, name="participant_done"),
    path("take/<str:token>/withdraw", views.withdraw, name="participant_withdraw"),
    path("preview/<str:key>/", previews.host, name="preview"),
    path("preview/<str:key>/visit/", previews.consent, name="preview_consent"),
    path("preview/<str:key>/visit/consent.txt", previews.consent_copy, name="preview_consent_copy"),
    path("preview/<str:key>/visit/take/", previews.take, name="preview_take"),
    path("preview/<str:key>/visit/state", previews.state, name="preview_state"),
    path("preview/<str:key>/visit/responses", previews.responses, name="preview_responses"),
    path("preview/<str:key>/visit/events", previews.events, name="preview_events"),
    path("preview/<str:key>/visit/finish", previews.finish, name="preview_finish"),
    path("preview/<str:key>/visit/done", previews.done, name="preview_done"),
    path("preview/<str:key>/visit/withdraw", previews.withdraw, name="preview_withdraw"),
    path("preview/<str:key>/visit/end/<str:outcome>/", previews.end, name="preview_end"),
]
