"""What a bucket needs no server for: settings, credentials, the words for what a server answers."""

from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, ParamValidationError, SSLError
from pydantic import SecretStr, ValidationError

from proxy.artifacts.bucket.place import BucketPlace, Credentials
from proxy.artifacts.bucket.refusals import of_answer, of_connection
from proxy.artifacts.bucket.sending import MEBIBYTE, MOST_PARTS, PART, part_size
from proxy.artifacts.failures import BucketAway, BucketRefused, told
from proxy.settings import Settings

SECRET = "never-to-be-shown"
KEYS = {"s3_access_key": "a-key", "s3_secret_key": SECRET}
PLACE = BucketPlace("pictures", Credentials(SecretStr("a-key"), SecretStr(SECRET)), "https://s3.example.org")

ANSWERS = (
    ("QuotaExceeded", 403, 507, "full"),
    ("XMinioStorageFull", 507, 507, "full"),
    ("", 507, 507, "full"),
    ("SlowDown", 503, 503, "at the moment"),
    ("InternalError", 500, 503, "at the moment"),
    ("TooManyRequests", 429, 503, "at the moment"),
    ("BadDigest", 400, 503, "at the moment"),
    ("NoSuchUpload", 404, 503, "at the moment"),
    ("NoSuchBucket", 404, 503, "ROUNDHOUSE_S3_BUCKET"),
    ("InvalidAccessKeyId", 403, 503, "ROUNDHOUSE_S3_ACCESS_KEY"),
    ("SignatureDoesNotMatch", 403, 503, "ROUNDHOUSE_S3_SECRET_KEY"),
    ("ExpiredToken", 400, 503, "ROUNDHOUSE_S3_CREDENTIALS_FILE"),
    ("PermanentRedirect", 301, 503, "ROUNDHOUSE_S3_REGION"),
    ("RequestTimeTooSkewed", 403, 503, "clock"),
    ("AccessDenied", 403, 503, "does not allow put_object"),
    ("MalformedXML", 400, 503, "refused put_object"),
)


@pytest.mark.parametrize(("code", "status", "told_as", "words"), ANSWERS)
def test_what_a_server_answers_is_told_in_words_that_help(code: str, status: int, told_as: int, words: str) -> None:
    error = {"Code": code, "Message": f"{SECRET} is not a key of ours"}
    ours = of_answer({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "put_object", PLACE)
    assert words in str(ours)
    assert SECRET not in str(ours)
    assert told(ours, 0).status == told_as


def test_an_object_that_is_not_there_is_a_file_that_is_not_there() -> None:
    for code in ("NoSuchKey", "404"):
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        assert isinstance(of_answer(answer, "get_object", PLACE), FileNotFoundError)


def test_a_server_without_an_answer_is_away_and_one_that_is_not_trusted_is_refused() -> None:
    url = "https://s3.example.org"
    assert isinstance(of_connection(EndpointConnectionError(endpoint_url=url), PLACE), BucketAway)
    untrusted = of_connection(SSLError(endpoint_url=url, error="self-signed"), PLACE)
    assert isinstance(untrusted, BucketRefused)
    assert "ROUNDHOUSE_S3_CA_FILE" in str(untrusted)
    assert isinstance(of_connection(ParamValidationError(report="a name"), PLACE), BucketRefused)


@pytest.mark.parametrize("size", [PART + 1, 4 * 2**30, MOST_PARTS * PART + 1, 2**40])
def test_a_file_has_no_more_parts_than_the_protocol_allows(size: int) -> None:
    length = part_size(size)
    assert length >= PART
    assert length % MEBIBYTE == 0
    assert -(-size // length) <= MOST_PARTS


WRONG = (
    ({"s3_bucket": "pictures"}, "a bucket needs ROUNDHOUSE_S3_ACCESS_KEY and ROUNDHOUSE_S3_SECRET_KEY"),
    ({"s3_bucket": "pictures", "s3_secret_key": SECRET}, "a bucket needs ROUNDHOUSE_S3_ACCESS_KEY"),
    ({"s3_bucket": "pictures", "s3_credentials_file": "file", **KEYS}, "or else ROUNDHOUSE_S3_CREDENTIALS_FILE"),
    ({**KEYS}, "ROUNDHOUSE_S3_ACCESS_KEY is set, and ROUNDHOUSE_S3_BUCKET is not"),
    ({"s3_endpoint": "https://s3.example.org"}, "ROUNDHOUSE_S3_ENDPOINT is set, and ROUNDHOUSE_S3_BUCKET is not"),
    ({"s3_bucket": "s3://pictures", **KEYS}, "without an address"),
    ({"s3_bucket": "pictures", "s3_endpoint": "s3.example.org:9000", **KEYS}, "ROUNDHOUSE_S3_ENDPOINT is an address"),
    ({"s3_bucket": "pictures", "s3_prefix": "a/../b", **KEYS}, "ROUNDHOUSE_S3_PREFIX has letters"),
)


@pytest.mark.parametrize(("values", "words"), WRONG)
def test_settings_that_do_not_fit_together_are_refused_by_name(values: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(**values)  # type: ignore[arg-type]
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_settings_name_a_bucket_and_show_no_secret() -> None:
    settings = Settings(s3_bucket="pictures", s3_prefix="/box-1/kept/", s3_endpoint="http://minio:9000/", **KEYS)  # type: ignore[arg-type]
    place = settings.bucket_place
    assert place is not None
    assert (place.bucket, place.prefix, place.endpoint) == ("pictures", "box-1/kept/", "http://minio:9000")
    assert place.read_credentials().secret_key.get_secret_value() == SECRET
    assert SECRET not in f"{settings!r}{place!r}{place}"
    assert Settings().bucket_place is None


@pytest.mark.parametrize("text", ["", "[other]\naws_access_key_id = x", f"[default]\n{SECRET}", "[default]\n%(x)s = 1"])
def test_a_credentials_file_without_both_keys_is_refused_unquoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials"
    file.write_text(text)
    with pytest.raises(BucketRefused, match="ROUNDHOUSE_S3_CREDENTIALS_FILE") as raised:
        BucketPlace("pictures", file).read_credentials()
    assert SECRET not in str(raised.value)
