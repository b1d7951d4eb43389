"""Bands of documents: written with the text, replaced with it, gone with the document."""

from collections.abc import Iterator

import pytest

from evaluation.stage import connected
from f.core.chunking import split_document
from f.core.database import Database
from f.core.document_bands import write_bands, write_missing_bands
from f.core.documents import NewDocument, reserve_id, store
from f.core.identity import Caller
from f.core.near_duplicates import BY_BANDS, CANDIDATES, HOLDERS
from f.core.shingles import BINS, bands, shingles
from tests.support.installation import Installation, Tenant

TEXT = "The policy covers the house, the garage and the garden shed, and whoever lives there."
OTHER = "The swimming course takes place on Tuesdays, and children bring a towel and a cap."


@pytest.fixture(scope="module")
def database(installation: Installation) -> Iterator[Database]:
    with connected(installation.app_dsn) as database:
        yield database


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def stored(database: Database, caller: Caller, content: str, visibility: str = "everyone") -> int:
    new = NewDocument("T", content, visibility, "english", idempotency_key=content)
    with database.transaction(caller) as transaction:
        document = reserve_id(transaction, new)
        store(transaction, document, new, split_document(content))
    return document


def kept(installation: Installation, document: int) -> list[int]:
    rows = installation.query("SELECT band FROM document_bands WHERE document_id = %s ORDER BY band", (document,))
    return [row["band"] for row in rows]


def test_a_document_is_stored_with_the_bands_of_its_text(
    installation: Installation, database: Database, tenant: Tenant
) -> None:
    nobody = Caller(tenant.id)  # who stores what they do not see themselves

    assert kept(installation, stored(database, nobody, TEXT)) == bands(shingles(TEXT))
    assert kept(installation, stored(database, nobody, OTHER, "admins_only")) == bands(shingles(OTHER))
    wordless = stored(database, nobody, "...")
    assert kept(installation, wordless) == [-wordless]


def test_a_changed_text_has_the_bands_of_the_new_one_alone(
    installation: Installation, database: Database, tenant: Tenant
) -> None:
    document = stored(database, Caller(tenant.id), TEXT, "admins_only")
    for text in (OTHER, OTHER, TEXT):
        with database.transaction(Caller(tenant.id)) as transaction:
            write_bands(transaction, document, text)
        assert kept(installation, document) == bands(shingles(text))


def test_only_what_has_none_gets_bands(installation: Installation, database: Database, tenant: Tenant) -> None:
    one, other = (stored(database, Caller(tenant.id), text) for text in (TEXT, OTHER))
    installation.query("DELETE FROM document_bands WHERE document_id = %s", (one,))

    with database.transaction(Caller(tenant.id, None, "system")) as transaction:
        assert write_missing_bands(transaction, [other]) == 0
        assert write_missing_bands(transaction) == 1
        assert write_missing_bands(transaction, [one, other]) == 0

    assert kept(installation, one) == bands(shingles(TEXT))


def test_bands_go_with_their_document(installation: Installation, database: Database, tenant: Tenant) -> None:
    document = stored(database, Caller(tenant.id), TEXT)
    installation.query("DELETE FROM documents WHERE id = %s", (document,))

    assert kept(installation, document) == []


def blocks(database: Database, tenant: Tenant) -> int:
    """Count the blocks that are looked at to find who shares bands with a text, as a teen."""
    parameters = {
        "tenant": tenant.id, "document": 0, "bands": bands(shingles(TEXT)), "holders": HOLDERS,
        "candidates": CANDIDATES,
    }  # fmt: skip
    with database.transaction(Caller(tenant.id, tenant.teen)) as transaction:
        [row] = transaction.rows(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {BY_BANDS}", parameters)
    [plan] = row["QUERY PLAN"]
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def test_a_hidden_copy_hardly_makes_work_and_one_of_another_tenant_none(
    installation: Installation, database: Database, tenant: Tenant
) -> None:
    """Or who stores a text could tell by the time that it takes whether it is there: not more than some look-ups."""
    installation.query(
        "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count)"
        " SELECT %s, 'T', 'Text ' || number, sha256(number::text::bytea), 'english', 1"
        " FROM generate_series(1, 20000) AS number",
        (tenant.id,),
    )
    other = installation.new_tenant()
    stored(database, Caller(tenant.id), OTHER)
    with installation.as_admin() as cursor:
        cursor.execute("REINDEX TABLE document_bands")  # each page has room then: what follows does not make it higher
        cursor.execute("VACUUM ANALYZE documents, document_bands")
    blocks(database, tenant)  # the first time, the catalogue is looked at too

    before = blocks(database, tenant)
    stored(database, Caller(other.id), TEXT)
    assert blocks(database, tenant) == before
    stored(database, Caller(tenant.id), TEXT, "adults_only")
    assert before < blocks(database, tenant) <= before + 6 * BINS
