"""The types that mypy reads are those of the compiled module: run with `pytest tests/native/test_stub.py`."""

import ast
from pathlib import Path

import prunescope.native
from native.problems import needs_kernels
from prunescope.native import kernels

pytestmark = needs_kernels
STUB = Path(prunescope.native.__file__).parent / "_kernels.pyi"


def signatures(source):
    """Of every function the names of its arguments and whether they are keywords alone, and what is returned."""
    found = {}

    def visit(body, prefix):
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef):
                setter = any(ast.unparse(mark).endswith(".setter") for mark in node.decorator_list)
                places = [] if setter else [each.arg for each in node.args.args]
                keywords = [each.arg for each in node.args.kwonlyargs]
                key = f"{prefix}{node.name}{'=' * setter}"
                value = places, keywords, ast.unparse(node.returns)
                assert found.setdefault(key, value) == value  # overloads differ in types of arguments alone

    visit(ast.parse(source).body, "")
    return found


def test_the_stub_has_the_functions_of_the_module():
    from nanobind.stubgen import StubGen

    generator = StubGen(kernels())
    generator.put(kernels())
    assert signatures(STUB.read_text("utf-8")) == signatures(generator.get())
