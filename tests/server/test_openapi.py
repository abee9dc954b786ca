"""spec/openapi.json and spec/http-api.md, held equal to the routes and the table of problems."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NotRequired, get_origin, get_type_hints

import msgspec
import pytest
from jsonschema import Draft202012Validator

from consigne import protocol
from consigne.server.api import answers, problems
from consigne.server.api.app import App
from consigne.server.refusal import Refusal
from consigne.server.service.service import Service
from consigne.server.settings import Settings

ROOT = Path(__file__).parents[2]
OPENAPI: dict[str, Any] = json.loads((ROOT / "spec/openapi.json").read_text())
PROSE = (ROOT / "spec/http-api.md").read_text()
SCHEMAS = OPENAPI["components"]["schemas"]
OPERATIONS = {
    (path, method.upper()): operation
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
}
BODIES = (
    protocol.NewObject,
    protocol.Completion,
    protocol.Extension,
    protocol.ObjectState,
    protocol.NewLink,
    protocol.LinkState,
    protocol.LinkView,
    protocol.Ticket,
    protocol.Service,
)


class NoService(Service):
    """Routes need no service until somebody asks."""

    def __init__(self) -> None:
        pass


def routes() -> set[tuple[str, str]]:
    table = App(NoService(), Settings()).table
    return {(path, method) for path, methods in table.items() for method in methods}


def codes_of(operation: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for status, response in operation["responses"].items():
        if "$ref" in response:
            told = OPENAPI["components"]["responses"][response["$ref"].rpartition("/")[2]]
            schema = told["content"][protocol.PROBLEM_TYPE]["schema"]
            codes = schema["allOf"][1]["properties"]["code"]["enum"]
            assert all(protocol.PROBLEMS[code].status == int(status) for code in codes)
            found.update(codes)
    return found


def test_it_is_openapi_3_1_with_sound_schemas() -> None:
    assert OPENAPI["openapi"] == "3.1.0"
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_one_copy_only() -> None:
    assert (ROOT / "spec/openapi.json").resolve() == ROOT / "src/consigne/server/api/openapi.json"


def test_every_route_is_described_and_nothing_else() -> None:
    assert set(OPERATIONS) == routes()


def test_every_problem_is_described_and_nothing_else() -> None:
    described = set().union(*(codes_of(operation) for operation in OPERATIONS.values()))
    assert described == set(protocol.PROBLEMS)
    assert set(SCHEMAS["Problem"]["properties"]["code"]["enum"]) == set(protocol.PROBLEMS)


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("shape", BODIES, ids=lambda shape: shape.__name__)
def test_schemas_have_the_members_of_protocol(shape: type) -> None:
    schema = SCHEMAS[shape.__name__]
    assert set(schema["properties"]) == set(get_type_hints(shape))
    hints = get_type_hints(shape, include_extras=True)
    required = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
    assert set(schema["required"]) == required


@pytest.mark.parametrize("code", protocol.PROBLEMS)
def test_problem_documents_are_as_described(code: str) -> None:
    validator = Draft202012Validator(SCHEMAS["Problem"])
    validator.validate(msgspec.json.decode(problems.document(code)))


def test_a_problem_goes_out_with_its_headers() -> None:
    response = answers.problem(Refusal("range-not-satisfiable", retry_after=3, extra={"length": 9}))
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */9"
    assert response.headers["retry-after"] == "3"
    assert response.headers["content-type"] == protocol.PROBLEM_TYPE


def test_the_prose_lists_every_problem_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", PROSE, re.MULTILINE))
    assert rows == {code: str(problem.status) for code, problem in protocol.PROBLEMS.items()}


def test_the_prose_names_every_route() -> None:
    for path, method in routes():
        short = path.removeprefix(protocol.API)
        assert re.search(rf"{method}[^\n]*`{re.escape(short)}`", PROSE), f"{method} {short}"
