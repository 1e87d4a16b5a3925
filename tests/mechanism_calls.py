"""Abduction by a mechanism, as tests call it: with draws of its own noise, from the global generator."""


def abduct(mechanism, value, parents):
    return mechanism.abduct(value, parents, mechanism.noise(len(value)))


def explain(mechanism, value, parents):
    return mechanism.explain(value, parents, mechanism.noise(len(value)))
