"""Results and errors leave a script as they do on Windmill."""

from typing import Any

import pytest

from tests.local.conftest import Workbench


@pytest.fixture(params=["warm_bench", "cold_bench"])
def bench(request: pytest.FixtureRequest) -> Workbench:
    """A server of each kind: what is said here holds however a job is started."""
    chosen: Workbench = request.getfixturevalue(request.param)
    return chosen


def _returns(bench: Workbench, expression: str, before: str = "") -> Any:
    path = bench.script("f/results/returns", f"{before}\ndef main():\n    return {expression}\n")
    answer = bench.run(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("None", None),
        ("datetime.datetime(2026, 1, 2, 3, 4)", "2026-01-02 03:04:00"),
        ("decimal.Decimal('1.50')", "1.50"),
        ("uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001"),
        ("{'data': b'abc'}", {"data": "YWJj"}),
        ("float('nan')", None),
        ("{'a': 'NaN', 'b': 'to Infinity and on'}", {"a": " null ", "b": "to  null  and on"}),
        ("'λ😀'", "λ😀"),
        ("(1, 2)", [1, 2]),
    ],
)
def test_results_are_encoded_by_the_wrapper(bench: Workbench, expression: str, result: Any) -> None:
    assert _returns(bench, expression, "import datetime, decimal, uuid") == result


def test_an_iterable_that_is_no_list_is_taken_for_a_stream(bench: Workbench) -> None:
    assert _returns(bench, "(letter for letter in ['a\\n', 'b'])") == "a\nb"
    path = bench.script("f/results/keys", "def main():\n    return {1: 2}.keys()\n")
    assert bench.run(path).status_code == 422


def test_an_exception_is_422_with_its_name_message_stack_and_attributes(bench: Workbench) -> None:
    path = bench.script(
        "f/results/raises",
        """
        class Odd(Exception):
            def __init__(self, text):
                super().__init__(text)
                self.code = 7
        def main():
            deeper()
        def deeper():
            raise Odd("what happened")
        """,
    )
    answer = bench.run(path)
    error = answer.json()["error"]
    assert (answer.status_code, error["name"], error["message"]) == (422, "Odd", "what happened")
    assert error["extra"] == {"code": 7}
    assert "in deeper" in error["stack"]
    assert "job_process" not in error["stack"]


def test_an_error_while_importing_tells_the_end_of_the_log(bench: Workbench) -> None:
    path = bench.script("f/results/imports", "import nowhere_to_be_found\ndef main():\n    return 1\n")
    answer = bench.run(path)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("ExitCode: 1, last log lines:")
    assert "No module named 'nowhere_to_be_found'" in answer.json()["error"]["message"]


def test_a_result_can_choose_status_headers_and_type(bench: Workbench) -> None:
    path = bench.script(
        "f/results/composite",
        """
        def main(kind: str):
            return {
                "status": {"wm_status_code": 404, "result": {"error": "none"}},
                "headers": {"wm_headers": {"x-own": "1"}, "result": [1]},
                "type": {"wm_content_type": "text/csv", "result": "a,b"},
                "empty": {"wm_status_code": 202},
                "no such type": {"wm_status_code": "404", "result": 1},
            }[kind]
        """,
    )
    status = bench.run(path, {"kind": "status"})
    assert (status.status_code, status.json()) == (404, {"error": "none"})
    headers = bench.run(path, {"kind": "headers"})
    assert (headers.status_code, headers.headers["x-own"], headers.json()) == (200, "1", [1])
    typed = bench.run(path, {"kind": "type"})
    assert (typed.headers["content-type"], typed.text) == ("text/csv", "a,b")
    assert bench.run(path, {"kind": "empty"}).status_code == 202
    assert bench.run(path, {"kind": "no such type"}).json() == {"wm_status_code": "404", "result": 1}


def test_modules_are_shared_and_a_missing_one_is_empty(bench: Workbench) -> None:
    bench.script("f/results/shared", "def greet(name):\n    return f'hello {name}'\n")
    path = bench.script(
        "f/results/imports_shared",
        """
        from f.results.shared import greet
        import f.results.not_there as empty
        def main():
            return [greet("you"), [name for name in vars(empty) if not name.startswith("__")], "__file__" in globals()]
        """,
    )
    assert bench.run(path).json() == ["hello you", [], False]


def test_a_script_that_is_not_there_is_404_as_text(bench: Workbench) -> None:
    answer = bench.run("f/results/none")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (404, "text/plain")
    assert bench.client.get("/no/such/path").status_code == 404
