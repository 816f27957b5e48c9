"""Figures that the paper does not have. A file with ``FIGURE``, its FigureSpec, is found by itself; docs/extending.md adds one."""
