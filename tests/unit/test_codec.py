"""Request bodies as objects; answers were recorded from a kube-apiserver 1.36 that serves this kind."""

from dataclasses import replace
from typing import Any, Literal

import orjson
import pytest
from pydantic import BaseModel

from apiserver.machinery import codec
from apiserver.machinery.codec import Decoded
from apiserver.machinery.errors import APIError, BadRequest, Object, UnsupportedMediaType
from apiserver.machinery.kind import Kind, Scale


class ProbeSpec(BaseModel):
    enum: Literal["a", "b"]
    when: str | None = None
    size: int = 3


PROBE = Kind("example.com", "v1", "Probe", "probes", ProbeSpec)
UNRECOGNIZED = "the object provided is unrecognized (must be of type Probe): "
PARSE = "couldn't get version/kind; json parse error: "
TYPE_META = (
    'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
JSON, YAML = "application/json", "application/yaml"


def body(**members: Any) -> bytes:
    return orjson.dumps({"apiVersion": "example.com/v1", "kind": "Probe", "metadata": {"name": "a"}, **members})


def decode(data: bytes, content_type: str = JSON) -> Decoded:
    return codec.decode_object(PROBE, data, content_type)


def refused(data: bytes, content_type: str = JSON) -> APIError:
    try:
        decode(data, content_type)
    except APIError as error:
        return error
    raise AssertionError("it was accepted")


def test_object() -> None:
    """A body becomes an object with defaults and metadata."""
    assert decode(body(spec={"enum": "a"})).tree == {
        "apiVersion": "example.com/v1",
        "kind": "Probe",
        "metadata": {"name": "a"},
        "spec": {"enum": "a", "size": 3},
    }


def test_counts_are_kept_as_written() -> None:
    """Whole numbers become integers, but for what /scale reads."""
    scaled = replace(PROBE, scale=Scale(".spec.size", ".status.size"))
    for kind, size_type in ((PROBE, int), (scaled, float)):
        tree = codec.decode_object(kind, body(spec={"enum": "a", "size": 2.0}), JSON).tree
        assert type(tree["spec"]["size"]) is size_type


MALFORMED = [
    (b"{", PARSE + "unexpected end of JSON input ({)"),
    (b"", PARSE + "unexpected end of JSON input (<empty>)"),
    (b"{} x", PARSE + "invalid character 'x' after top-level value ({} x)"),
    (b"[]", PARSE + f"json: cannot unmarshal array into {TYPE_META} (5b5d)"),
    (b"5", PARSE + f"json: cannot unmarshal number into {TYPE_META} (35)"),
    (
        b'"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"',
        PARSE + f"json: cannot unmarshal string into {TYPE_META} "
        "(226162636465666768696a6b6c6d6e6f707172737475767778797a616263 ...)",
    ),
    (b"null", "Object 'Kind' is missing in 'null' (6e756c6c)"),
    (b"{}", "Object 'Kind' is missing in '{}' ({})"),
    (
        b'{"metadata": {"name": "a"}, "spec": {"enum": "a"}}',
        """Object 'Kind' is missing in '{"metadata": {"name": "a"}, "spec": {"enum": "a"}}' """
        '({"metadata": {"name": "a"}, "s ...)',
    ),
    (
        b'{"apiVersion":"example.com/v1","kind":5}',
        PARSE + "json: cannot unmarshal number into Go struct field .kind of type string "
        '({"apiVersion":"example.com/v1" ...)',
    ),
    (
        b'{"apiVersion":[],"kind":"Probe"}',
        PARSE + "json: cannot unmarshal array into Go struct field .apiVersion of type string "
        '({"apiVersion":[],"kind":"Probe ...)',
    ),
    (
        b'{"apiVersion":"a/b/c","kind":"Probe","metadata":{}}',
        'unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c","kind":" ...)',
    ),
]


@pytest.mark.parametrize(("data", "text"), MALFORMED, ids=[data.decode()[:20] for data, _ in MALFORMED])
def test_malformed_json(data: bytes, text: str) -> None:
    """What cannot be read is refused with Go's words and an excerpt: as it is behind a brace, else in hex."""
    error = refused(data)

    assert (error.code, error.message) == (400, UNRECOGNIZED + text)


MALFORMED_YAML = [
    (b"a: [", "yaml: line 1: did not find expected node content (613a205b)"),
    (b"a:\n\tb: 1", "yaml: line 2: found character that cannot start any token (613a0a09623a2031)"),
    (b"hello", PARSE + f"json: cannot unmarshal string into {TYPE_META} (68656c6c6f)"),
    (b"- a", PARSE + f"json: cannot unmarshal array into {TYPE_META} (2d2061)"),
    (b"", "Object 'Kind' is missing in '' (<empty>)"),
    (
        b"metadata: {name: a}\n",
        "Object 'Kind' is missing in 'metadata: {name: a}\n' (6d657461646174613a207b6e616d653a20617d0a)",
    ),
]


@pytest.mark.parametrize(("data", "text"), MALFORMED_YAML, ids=[data.decode()[:20] for data, _ in MALFORMED_YAML])
def test_malformed_yaml(data: bytes, text: str) -> None:
    """YAML is refused the same way, with its reader's words and line."""
    assert refused(data, YAML).message == UNRECOGNIZED + text


@pytest.mark.parametrize(
    ("version", "shown"),
    [('"example.com/v2"', "example.com/v2"), ('""', ""), ('"/"', ""), ('"/v1"', "v1"), ('"other/v1"', "other/v1")],
)
def test_other_version(version: str, shown: str) -> None:
    """A version that is not served is refused, in the form that Go gives it."""
    obj = decode(f'{{"apiVersion":{version},"kind":"Probe","metadata":{{"name":"a"}}}}'.encode()).tree
    with pytest.raises(BadRequest) as caught:
        codec.check_version(PROBE, obj)

    expected = "does not match the expected API version (example.com/v1)"
    assert caught.value.message == f"the API version in the data ({shown}) {expected}"


def test_no_version() -> None:
    """A version that is null cannot be read at all."""
    assert refused(b'{"apiVersion":null,"kind":"Probe"}').message == (
        'Probe in version "" cannot be handled as a Probe: '
        ".apiVersion accessor error: <nil> is of the type <nil>, expected string"
    )


def test_what_has_no_schema() -> None:
    """In a version of the group that is not served everything is unknown; of another kind or group nothing is, but in
    metadata."""

    def faults(version: str, kind: str) -> list[str]:
        tree = {"apiVersion": version, "kind": kind, "metadata": {"x": 1}, "spec": {"zz": 1}}
        return decode(orjson.dumps(tree)).faults

    assert faults("example.com/v2", "Probe") == ['unknown field "metadata.x"', 'unknown field "spec"']
    assert faults("example.com/v1", "Other") == ['unknown field "metadata.x"']
    assert faults("other/v1", "Probe") == ['unknown field "metadata.x"']


@pytest.mark.parametrize("meta", [None, {}])
def test_no_metadata(meta: Object | None) -> None:
    """Metadata may be missing: validation asks for a name."""
    assert decode(body(metadata=meta, spec={"enum": "a"})).tree["metadata"] == {}


def test_nulls_in_metadata() -> None:
    """A null in metadata is an absent member, as clients in Go used to send them."""
    meta = {"name": "a", "creationTimestamp": None, "labels": None, "annotations": None, "finalizers": None}

    assert decode(body(metadata=meta)).tree["metadata"] == {"name": "a"}


def test_empty_metadata_members() -> None:
    """Empty strings, lists and maps are left out."""
    meta = {"name": "a", "labels": {}, "finalizers": [], "resourceVersion": "", "managedFields": []}

    assert decode(body(metadata=meta)).tree["metadata"] == {"name": "a"}


WRONG_METADATA: list[tuple[Any, str]] = [
    ([], "array into Go value of type v1.ObjectMeta"),
    ("", "string into Go value of type v1.ObjectMeta"),
    ({"labels": {"a": 1}}, "number into Go struct field ObjectMeta.labels of type string"),
    ({"labels": []}, "array into Go struct field ObjectMeta.labels of type map[string]string"),
    ({"finalizers": [1]}, "number into Go struct field ObjectMeta.finalizers of type string"),
    ({"finalizers": "x"}, "string into Go struct field ObjectMeta.finalizers of type []string"),
    ({"generation": "x"}, "string into Go struct field ObjectMeta.generation of type int64"),
    ({"generation": 1.5}, "number 1.5 into Go struct field ObjectMeta.generation of type int64"),
    ({"creationTimestamp": 5}, "number into Go struct field ObjectMeta.creationTimestamp of type string"),
    ({"uid": 5}, "number into Go struct field ObjectMeta.uid of type types.UID"),
    ({"name": 5}, "number into Go struct field ObjectMeta.name of type string"),
    ({"ownerReferences": ["x"]}, "string into Go struct field ObjectMeta.ownerReferences of type v1.OwnerReference"),
    (
        {"ownerReferences": [{"uid": 5}]},
        "number into Go struct field OwnerReference.ownerReferences.uid of type types.UID",
    ),
    (
        {"ownerReferences": [{"controller": "x"}]},
        "string into Go struct field OwnerReference.ownerReferences.controller of type bool",
    ),
    ({"managedFields": "x"}, "string into Go struct field ObjectMeta.managedFields of type []v1.ManagedFieldsEntry"),
]


@pytest.mark.parametrize(("meta", "text"), WRONG_METADATA, ids=[str(meta) for meta, _ in WRONG_METADATA])
def test_wrong_type_in_metadata(meta: Any, text: str) -> None:
    """Metadata of the wrong type is refused with Go's struct, field and type."""
    error = refused(body(metadata=meta))

    assert error.code == 400
    assert error.message == (f'Probe in version "v1" cannot be handled as a Probe: json: cannot unmarshal {text}')


@pytest.mark.parametrize("field", ["creationTimestamp", "deletionTimestamp"])
def test_timestamps_in_metadata(field: str) -> None:
    """A timestamp must be one, even where the server replaces it."""
    assert refused(body(metadata={field: "x"})).message == (
        'Probe in version "v1" cannot be handled as a Probe: '
        'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'
    )
    assert decode(body(metadata={field: "2026-01-02T03:04:05Z"})).faults == []


def test_managed_fields_are_not_looked_into() -> None:
    """Their content is checked by those who understand it."""
    entries = [{"manager": "m", "fieldsV1": {"f:spec": {"anything": 1}}}]

    assert decode(body(metadata={"managedFields": entries})).tree["metadata"]["managedFields"] == entries


def test_unknown_fields() -> None:
    """Unknown fields are dropped and reported, each sorted: metadata's, then the object's."""
    decoded = decode(body(spec={"enum": "a", "zz": 1, "aa": 2}, metadata={"name": "a", "foo": 1, "bar": 1}, more=1))

    assert decoded.tree["spec"] == {"enum": "a", "size": 3}
    assert decoded.faults == [
        'unknown field "metadata.bar"',
        'unknown field "metadata.foo"',
        'unknown field "more"',
        'unknown field "spec.aa"',
        'unknown field "spec.zz"',
    ]


DUPLICATES = (
    b'{"apiVersion":"example.com/v1","kind":"Probe","metadata":{"name":"a","labels":{"x":"1","x":"2"}},'
    b'"spec":{"enum":"b","enum":"a","zz":1}}'
)


def refuse(text: str) -> APIError:
    return BadRequest(text)


def test_duplicate_fields() -> None:
    """Of a repeated key the last value counts; its path is reported before the unknown fields."""
    decoded = decode(DUPLICATES)

    assert decoded.tree["spec"]["enum"] == "a"
    assert decoded.faults == [
        'duplicate field "metadata.labels.x"',
        'duplicate field "spec.enum"',
        'unknown field "spec.zz"',
    ]


def test_field_validation() -> None:
    """Ignore says nothing, Warn gives one warning each, Strict refuses with all of them."""
    faults = decode(DUPLICATES).faults

    assert codec.check_faults(faults, "Ignore", refuse) == []
    assert codec.check_faults(faults, "Warn", refuse) == faults
    with pytest.raises(BadRequest) as caught:
        codec.check_faults(faults, "Strict", refuse)
    assert caught.value.message == (
        'strict decoding error: duplicate field "metadata.labels.x", duplicate field "spec.enum", '
        'unknown field "spec.zz"'
    )
    assert codec.check_faults([], "Strict", refuse) == []


DUPLICATE_YAML = (
    b"apiVersion: example.com/v1\nkind: Probe\nmetadata:\n  name: a\n  name: b\nspec:\n  enum: a\n  enum: b\n  zz: 1\n"
)


def test_duplicate_keys_in_yaml() -> None:
    """YAML's repeated keys are named by line: one strict error for all, one warning each."""
    decoded = decode(DUPLICATE_YAML, YAML)

    assert (decoded.tree["metadata"]["name"], decoded.tree["spec"]["enum"]) == ("b", "b")
    assert codec.strict_error(decoded.faults) == (
        'strict decoding error: yaml: unmarshal errors:\n  line 5: key "name" already set in map\n'
        '  line 8: key "enum" already set in map, unknown field "spec.zz"'
    )
    assert codec.check_faults(decoded.faults, "Warn", refuse) == [
        'line 5: key "name" already set in map',
        'line 8: key "enum" already set in map',
        'unknown field "spec.zz"',
    ]


@pytest.mark.parametrize("content_type", ["", JSON, "Application/JSON; charset=utf-8", YAML, "application/yaml;x=y"])
def test_media_types(content_type: str) -> None:
    """JSON is the default; parameters and case do not matter; JSON is YAML too."""
    assert decode(body(spec={"enum": "a"}), content_type).tree["spec"]["enum"] == "a"


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/json", "application/vnd.kubernetes.protobuf", "application/x-www-form", "application/json, text/plain"),
        *("application/json;x", "application/json;=", "application/json;a=b;A=c", 'application/json;a="b'),
    ],
)
def test_other_media_types(content_type: str) -> None:
    """Anything else is a 415, and so is what is no media type."""
    with pytest.raises(UnsupportedMediaType) as caught:
        decode(body(), content_type)

    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def test_text_that_is_no_utf8() -> None:
    """Broken bytes and lone surrogates become U+FFFD, as in Go."""
    head = b'{"apiVersion":"example.com/v1","kind":"Probe","metadata":{"annotations":{"a":"'

    assert decode(head + b'\xff"}}}').tree["metadata"] == {"annotations": {"a": "\ufffd"}}
    assert decode(head + b'\\ud800x"}}}').tree["metadata"] == {"annotations": {"a": "\ufffdx"}}


def test_deep_json() -> None:
    """Nesting beyond what can be written again is the client's fault too."""
    assert refused(b'{"a":' * 5000 + b"1" + b"}" * 5000).code == 400
    assert refused(b'{"a":' * 300 + b"1" + b"}" * 300).code == 400


def test_dedup_owners() -> None:
    """Owner references that occurred before are dropped; the warning names their uids."""
    owners = [{"uid": uid, "name": name} for uid, name in (("1", "a"), ("1", "b"), ("2", "c"), ("1", "a"), ("2", "c"))]
    meta: Object = {"ownerReferences": owners}

    assert codec.dedup_owners(meta, codec.REPEATED_OWNERS) == [
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may "
        "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: 1, 2"
    ]
    assert [owner["name"] for owner in meta["ownerReferences"]] == ["a", "b", "c"]
    assert codec.dedup_owners(meta, codec.REPEATED_OWNERS) == []
    assert codec.dedup_owners({}, codec.REPEATED_OWNERS) == []
    assert codec.dedup_owners({"ownerReferences": [{}] * 2}, "repeated: ") == ["repeated: "]


def test_dedup_many_owners() -> None:
    """Each owner costs a look-up, however many there are: a body has room for more than a hundred thousand."""
    meta = {"ownerReferences": [{"uid": f"u{number}"} for number in range(150_000)]}
    assert codec.dedup_owners(meta, codec.REPEATED_OWNERS) == []


def test_zero_values_in_metadata() -> None:
    """Below metadata's own members, a null stands for its type's zero value, also as a label."""
    meta = {"name": "a", "labels": {"x": None}, "finalizers": [None], "annotations": None, "managedFields": []}

    assert decode(body(metadata=meta)).tree["metadata"] == {"name": "a", "labels": {"x": ""}, "finalizers": [""]}


def test_whole_numbers() -> None:
    """A whole number is an integer however it is written; one beyond 64 bits is none."""
    assert decode(body(spec={"enum": "a", "size": 2.0})).tree["spec"]["size"] == 2
    assert decode(body(metadata={"generation": 1e3})).faults == []
    head = b'{"apiVersion":"example.com/v1","kind":"Probe","spec":{"size":'
    assert type(decode(head + b"9223372036854775807}}").tree["spec"]["size"]) is int
    assert type(decode(head + b"9223372036854775808}}").tree["spec"]["size"]) is float
