"""These modules draw figures that the paper does not have.

A further module here that defines ``FIGURE``, a FigureSpec, is found without being registered; docs/extending.md
shows how to add one.
"""
