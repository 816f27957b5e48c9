"""What values show of themselves in a notebook, and ``ps.run`` with its progress there.

``Run``, ``Mask`` and ``Observables`` get these views from the root package (``prunescope/__init__.py``), by their names.
"""
