"""Addresses of the participants' pages."""

from django.urls import URLPattern, URLResolver, path

from ratings import api, views

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
]
