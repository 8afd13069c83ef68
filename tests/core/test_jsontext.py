# SPDX-License-Identifier: Apache-2.0
"""jsontext against the standard library's json."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright import jsontext

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, st.booleans())
def test_writes_what_json_writes(value: object, sort_keys: bool) -> None:
    wanted = json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False)
    assert jsontext.dumps(value, sort_keys=sort_keys) == wanted


@given(values)
def test_reads_what_it_wrote(value: object) -> None:
    assert jsontext.loads(jsontext.dumps(value)) == value
    assert jsontext.loads(f" \n{json.dumps(value, indent=1)}\t ".encode()) == value


@pytest.mark.parametrize(
    "text", ["", " ", "{", '{"a":', "[1,]", "1 2", "NaN", "-Infinity", '{"a":1} x', "'a'", b"\xff", '"\n"', "nul"]
)
def test_refuses_what_is_not_json(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        jsontext.loads(text)


def test_refuses_what_has_no_form() -> None:
    with pytest.raises(TypeError, match="set has no form"):
        jsontext.dumps({"a": {1}})
    with pytest.raises(ValueError):
        jsontext.dumps(float("nan"))
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError):
        jsontext.dumps(loop)


def test_imports_no_regular_expressions() -> None:
    code = "import sys; import podwright.jsontext; print('re' in sys.modules or 'json' in sys.modules)"
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.extend({sys.path!r}); {code}"],
                            stdout=subprocess.PIPE, check=True)  # fmt: skip
    assert answer.stdout == b"False\n"


ALONE = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
from podwright.jsontext import loads
assert "json" not in sys.modules
for text in sys.argv[2:]:
    try:
        loads(text)
    except ValueError as error:
        assert type(error).__name__ and str(error)
    else:
        raise AssertionError(text)
"""


@pytest.mark.parametrize(
    "text", ["{", '{"a"', '{"a":1', '{"a":1,', "[1", "[1,", '"a', "{1", '{"a" 1}', r'"\x"', '"\x01"', "nul"]
)
def test_a_wrong_text_is_a_value_error_where_nobody_has_imported_json(text):
    """As in podwright-oci, which does not."""
    folder = Path(jsontext.__file__).parent.parent
    subprocess.run([sys.executable, "-I", "-S", "-c", ALONE, folder, text], check=True)
