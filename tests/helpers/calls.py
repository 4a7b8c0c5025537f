"""How often something is called, and with what."""


def calls_of(monkeypatch, owner, name):
    """The arguments of each call of a function or method from now on."""
    calls, own = [], getattr(owner, name)

    def noted(*args, **kwargs):
        calls.append(args)
        return own(*args, **kwargs)

    monkeypatch.setattr(owner, name, noted)
    return calls
