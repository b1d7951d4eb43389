"""The sample documents of the demonstration: complete, different from one another, and as the manifest says."""

import re
import shutil
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from rapidfuzz.distance import Levenshtein

from f.core.chunking import split_document
from f.core.language import LANGUAGES, detect_language
from f.core.parsed_parts import ParsedPart, ParsingSettings
from f.core.parsing import parse
from local.samples import FOLDER, SampleDocument, load_samples, make_files
from tests.files.producers import need_fonts, need_tesseract

SAMPLES = load_samples()
EVERY_DOCUMENT = pytest.mark.parametrize("document", SAMPLES.documents, ids=lambda document: document.path.name)
FAMILIES = ("papadopoulos-thessaloniki", "papadopoulos-melbourne")


def _texts(slug: str) -> str:
    return "\n".join(document.content for document in SAMPLES.documents if document.tenant == slug)


def test_there_are_two_families_and_a_school_with_over_twenty_documents() -> None:
    assert [tenant.kind for tenant in SAMPLES.tenants] == ["family", "family", "school"]
    assert len(SAMPLES.documents) >= 24
    for tenant in SAMPLES.tenants:
        assert sum(document.tenant == tenant.slug for document in SAMPLES.documents) >= 8


def test_every_text_in_the_folder_is_in_the_manifest() -> None:
    listed = {document.path for document in SAMPLES.documents}
    assert listed == {path for path in FOLDER.rglob("*") if path.suffix in {".md", ".txt"}}


def test_every_other_file_in_the_folder_is_in_the_manifest_and_small() -> None:
    listed = {file.path for file in SAMPLES.files}
    others = {path for path in FOLDER.glob("*/*") if path.suffix not in {".md", ".txt", ".pyc"}}
    assert listed == others
    assert {path.suffix for path in listed} == {".pdf", ".jpg", ".docx"}
    assert max(path.stat().st_size for path in listed) < 150_000


def test_the_pdf_has_its_text_page_by_page_and_its_table() -> None:
    part = _parsed(make_files.RATES)
    assert (part.media_type, part.title, part.page_count) == ("application/pdf", make_files.RATES_TITLE, 3)
    for page, (heading, paragraphs) in zip(part.text.split("\f"), make_files.RATES_PAGES, strict=True):
        assert all(text in page for text in (heading, *paragraphs))
    assert "| General rate | 0.0013872 | 1,475.98 |" in part.text


def test_the_word_document_has_its_headings_points_and_table() -> None:
    part = _parsed(make_files.ROBOTICS)
    assert (part.title, part.page_count) == (make_files.ROBOTICS_TITLE, None)
    for heading, paragraphs, points in make_files.ROBOTICS_SECTIONS:
        assert f"# {heading}\n" in part.text
        assert all(text in part.text for text in paragraphs)
        assert all(f"- {text}" in part.text for text in points)
    assert "| Motor | 4 | 14.90 |" in part.text


def test_the_photo_says_what_was_written_on_the_paper() -> None:
    need_tesseract()
    part = _parsed(make_files.LIFT)
    written = "\n\n".join((make_files.LIFT_HEADING, *make_files.LIFT_PARAGRAPHS))
    assert (part.page_count, part.ocr_pages) == (1, 1)
    assert part.ocr_confidence is not None
    assert part.ocr_confidence > 0.75
    assert Levenshtein.distance(part.text.strip(), written) <= 0.025 * len(written)


def test_the_files_can_be_made_anew(tmp_path: Path) -> None:
    need_fonts()
    made = {path.name: path for path in make_files.make_files(tmp_path)}
    assert made.keys() == {file.path.name for file in SAMPLES.files}
    for name in (make_files.RATES, make_files.ROBOTICS):
        assert _parsed(name, tmp_path).text == _parsed(name).text
    with Image.open(tmp_path / make_files.LIFT) as anew, Image.open(FOLDER / make_files.LIFT) as kept:
        assert anew.size == kept.size
        difference = ImageStat.Stat(ImageChops.difference(anew.convert("L"), kept.convert("L")))
        assert difference.mean[0] < 3


def _parsed(name: str, folder: Path = FOLDER) -> ParsedPart:
    """Read a file as a job does."""
    (part,) = parse((folder / name).read_bytes(), Path(name).name, ParsingSettings(), lambda _percent: None)
    assert part.failure is None
    return part


def test_every_tenant_has_an_adult_and_a_teen_and_an_admin_first() -> None:
    for tenant in SAMPLES.tenants:
        types = [member.member_type for member in tenant.members]
        assert types[0] == "admin"
        assert {"adult", "teen"} <= set(types)


def test_the_families_share_names_and_no_facts() -> None:
    first, second = (tenant for tenant in SAMPLES.tenants if tenant.slug in FAMILIES)
    shared = {member.name for member in first.members} & {member.name for member in second.members}
    assert shared >= {"Maria Papadopoulos", "Nikos Papadopoulos"}
    numbers = [set(re.findall(r"\b(?=[A-Z0-9-]*\d{3})[A-Z]+-[A-Z0-9-]{5,}\b", _texts(slug))) for slug in FAMILIES]
    assert all(len(found) >= 3 for found in numbers)
    assert not numbers[0] & numbers[1]
    doctors = [set(re.findall(r"\bDr (?:[A-Z]\w+ )?([A-Z]\w+)", _texts(slug))) for slug in FAMILIES]
    assert all(doctors)
    assert not doctors[0] & doctors[1]


def test_every_visibility_and_many_categories_are_there() -> None:
    assert {document.visibility for document in SAMPLES.documents} == {
        "everyone", "adults_only", "admins_only", "private",
    }  # fmt: skip
    assert len({document.category for document in SAMPLES.documents}) >= 10
    assert all(document.assigned_to for document in SAMPLES.documents if document.visibility == "private")


def test_no_two_texts_or_paragraphs_are_the_same() -> None:
    texts = [document.content for document in SAMPLES.documents]
    assert len(set(texts)) == len(texts)
    paragraphs = [block for text in texts for block in re.split(r"\n\s*\n", text) if len(block) > 80]
    assert len(set(paragraphs)) == len(paragraphs)


def test_one_document_has_over_twenty_pages_of_text() -> None:
    pages = next(document for document in SAMPLES.documents if document.path.name == "handbook.md").content.split("\f")
    assert len(pages) > 20
    assert sum(map(len, pages)) >= 60_000
    assert min(len(page.strip()) for page in pages) >= 1_500
    for number, page in enumerate(pages[1:], start=2):
        assert f"\n## {number}. " in page


def test_some_documents_have_tables_and_emoji() -> None:
    assert sum("\n|---|" in document.content for document in SAMPLES.documents) >= 5
    assert sum(any(ord(character) > 0xFFFF for character in document.content) for document in SAMPLES.documents) >= 2


def test_at_least_two_documents_are_in_greek_with_its_accents() -> None:
    greek = [document for document in SAMPLES.documents if document.language == "greek"]
    assert len(greek) >= 2
    for document in greek:
        words = re.findall(r"[\u0370-\u03ff]{4,}", document.content)
        assert len(words) >= 150
        accented = [word for word in words if set("άέήίόύώΐΰΆΈΉΊΌΎΏ") & set(word)]
        assert len(accented) > 0.9 * len([word for word in words if not word.isupper()])


@EVERY_DOCUMENT
def test_a_document_fits_the_limits_of_ingest(document: SampleDocument) -> None:
    assert document.language in LANGUAGES
    assert document.language == detect_language(document.content)
    assert len(document.title) <= 500
    assert len(document.category) <= 100
    assert 1 <= len(document.tags) <= 50
    assert len(set(document.tags)) == len(document.tags)
    assert document.source_url is None or re.fullmatch(r"https://[\w.-]+\.example/\S*", document.source_url)
    assert document.expires_in_days is None or 0 < document.expires_in_days < 400


@EVERY_DOCUMENT
def test_a_text_is_kept_in_one_form_that_no_reader_changes(document: SampleDocument) -> None:
    text = document.content
    assert len(text) >= 1_500
    assert unicodedata.normalize("NFC", text) == text
    assert text == text.strip() + "\n"
    assert not {c for c in text if unicodedata.category(c) == "Cc"} - {"\n", "\f"}
    assert not re.search(r"[ \t]\n|lorem ipsum|\?\?\?", text)


@EVERY_DOCUMENT
def test_offsets_of_chunks_point_into_the_text(document: SampleDocument) -> None:
    text = document.content
    chunks = split_document(text)
    assert chunks
    pages = text.count("\f") + 1
    covered = 0
    for chunk in chunks:
        assert covered <= chunk.start < chunk.end <= len(text)
        assert not text[covered : chunk.start].strip()
        assert chunk.page == (text.count("\f", 0, chunk.start) + 1 if pages > 1 else None)
        covered = chunk.end
    assert not text[covered:].strip()


def test_expiry_counts_from_the_day_of_ingestion() -> None:
    now = datetime(2030, 1, 1, 12, tzinfo=UTC)
    moments = {document.path.name: document.expires_at(now) for document in SAMPLES.documents}
    assert moments["washing-machine-warranty.md"] == "2030-01-07T12:00:00+00:00"
    assert moments["gemista-el.md"] is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("file: school/handbook.md", "file: school/none.md", "no file school/none.md"),
        ("file: school/handbook.md", "file: school/bus-timetable.md", "names a file twice"),
        ("title: Passport data sheet", "title: Summer on Thassos 2027 🏖️", "names a title twice"),
        ("file: school/robotics-club.docx", "file: school/robotics-club.pdf", "no file school/robotics-club.pdf"),
        ("file: school/robotics-club.docx", "file: school/handbook.md", "names a file twice"),
        ("assigned_to: Jonah Adeyemi", "assigned_to: Maria Papadopoulos", "assigned to nobody"),
        ("visibility: private", "visibility: secret", "'secret' is none of"),
        ("- tenant: harbour-hill-school", "- tenant: harbor-hill-school", "belongs to no tenant"),
        ("type: adult", "type: parent", "'parent' is none of"),
    ],
)
def test_a_mistake_in_the_manifest_is_named(tmp_path: Path, before: str, after: str, message: str) -> None:
    folder = tmp_path / "samples"
    shutil.copytree(FOLDER, folder)
    manifest = folder / "manifest.yaml"
    text = manifest.read_text(encoding="utf-8")
    assert before in text
    manifest.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_samples(folder)
