"""Diagnose a guidance set-up before images are made for a study: does it move what it claims to move?"""
