# ruff: noqa: RUF001 - Greek letters are meant here
"""Make the sample files that are not plain text: a PDF, a photographed letter and a Word document.

``python -m local.samples.make_files`` writes them anew, with reportlab, Pillow and python-docx, and with the DejaVu
fonts for the Greek of the letter. They are kept beside their tenants' texts, so that the demonstration needs none of
that. The words of each file stand here once; everything in them is invented.
"""

import io
import random
import sys
from pathlib import Path

from docx import Document
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

FOLDER = Path(__file__).resolve().parent
FONTS = Path("/usr/share/fonts/truetype/dejavu")

RATES = "melbourne/council-rates.pdf"
RATES_TITLE = "Rates and valuation notice 2026-2027"
RATES_PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Your property",
        (
            "Merri Vale City Council has valued the property at 18 Lorikeet Street on 1 January 2026. This notice says "
            "what the council charges for it from 1 July 2026 to 30 June 2027, and how it was worked out.",
            "The capital improved value is 1,064,000 dollars, and the value of the land alone 702,000 dollars. Owners "
            "who do not agree with the valuation may object within two months of receiving this notice.",
            "Assessment number MV-20-44817. Please name it whenever you write or call.",
        ),
    ),
    (
        "Instalments",
        (
            "The rates may be paid at once or in four instalments. Who pays in instalments pays no interest as long as "
            "each of them arrives in time.",
            "The third instalment of 488.15 dollars is due on 28 February 2027. The fourth and last instalment of "
            "488.15 dollars is due on 31 May 2027.",
            "Interest of 10 per cent a year is charged on whatever arrives later than seven days after its date.",
        ),
    ),
    (
        "Help and other charges",
        (
            "The waste charge of 431.20 dollars covers a bin of 120 litres, emptied every week. A second green bin "
            "costs 96.50 dollars a year.",
            "Holders of a pensioner concession card pay 266 dollars less. The card must be shown once at the customer "
            "centre in Station Street.",
            "Whoever cannot pay in time should call the hardship team before the date on which an instalment is due.",
        ),
    ),
)
RATES_TABLE = (
    ("Charge", "Rate in the dollar", "Amount in dollars"),
    ("General rate", "0.0013872", "1,475.98"),
    ("Waste charge", "fixed", "431.20"),
    ("Emergency services levy", "fixed", "45.42"),
    ("Total for the year", "", "1,952.60"),
)

LIFT = "thessaloniki/lift-notice-photo.jpg"
LIFT_HEADING = "Ανακοίνωση του διαχειριστή"
LIFT_PARAGRAPHS = (
    "Προς τους ενοίκους της πολυκατοικίας στην οδό Αγίας Σοφίας.",
    "Η ετήσια συντήρηση του ανελκυστήρα θα γίνει την Πέμπτη 11 Μαρτίου 2027, από τις εννέα το πρωί μέχρι τη μία το "
    "μεσημέρι. Όσο διαρκεί, ο ανελκυστήρας δεν θα λειτουργεί.",
    "Παρακαλούμε να μην αφήνετε ποδήλατα και κιβώτια στην είσοδο, ώστε να μπορούν να περάσουν οι τεχνικοί με τα "
    "εργαλεία τους.",
    "Το κόστος της συντήρησης είναι 320 ευρώ και θα μοιραστεί σε δέκα διαμερίσματα μαζί με τα κοινόχρηστα του Μαρτίου.",
    "Για βλάβες τηλεφωνήστε στον διαχειριστή, τον κύριο Στέλιο Καραγιάννη, στον δεύτερο όροφο.",
)

ROBOTICS = "school/robotics-club.docx"
ROBOTICS_TITLE = "Robotics club: agreement for the year"
ROBOTICS_SECTIONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "Meetings",
        ("The robotics club meets on Wednesdays from 15:45 to 17:15 in the physics laboratory, from October to May.",),
        ("Bring a laptop with a charger.", "Long hair is tied back at the soldering station.", "Food stays outside."),
    ),
    (
        "The kit",
        (
            "Each pair of members borrows one kit. For each kit the club asks for a deposit of 85 euro, which is given "
            "back in June when nothing is missing.",
            "Parts that are lost or broken are paid for by the pair, at the prices in the table.",
        ),
        (),
    ),
    (
        "The tournament",
        (
            "The regional tournament is on Saturday 17 April 2027 in the sports hall of Skerry Point. The bus leaves "
            "the school gate at 7:20, and parents are welcome in the afternoon.",
        ),
        (),
    ),
)
ROBOTICS_TABLE = (
    ("Part", "In a kit", "Price in euro"),
    ("Motor", "4", "14.90"),
    ("Distance sensor", "2", "21.50"),
    ("Controller", "1", "62.00"),
    ("Battery", "1", "18.40"),
)

_PAGE = (1_240, 1_754)
_DESK, _PAPER, _INK = (96, 84, 74), (243, 239, 229), (38, 38, 46)


def make_files(folder: Path = FOLDER) -> list[Path]:
    """Write all files below a folder, over what is there, and return where they are."""
    made = {RATES: _rates(), LIFT: _lift_notice(), ROBOTICS: _robotics()}
    for name, content in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in made]


def _rates() -> bytes:
    """Set the council's notice: three pages, with a table on the first."""
    styles = getSampleStyleSheet()
    story: list[Flowable] = [Paragraph(RATES_TITLE, styles["Title"])]
    for number, (heading, paragraphs) in enumerate(RATES_PAGES):
        story += [PageBreak()] if number else []
        story.append(Paragraph(heading, styles["Heading1"]))
        story += [Paragraph(text, styles["BodyText"]) for text in paragraphs]
        if number == 0:
            grid = [("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold")]
            story += [Spacer(1, 12), Table([list(row) for row in RATES_TABLE], style=grid)]
    written = io.BytesIO()
    author = "Merri Vale City Council"
    SimpleDocTemplate(written, pagesize=A4, title=RATES_TITLE, author=author, invariant=1).build(story)
    return written.getvalue()


def _lift_notice() -> bytes:
    """Photograph a notice: paper on a desk, a little askew, lit from one side, not quite sharp."""
    paper = Image.new("RGB", _PAGE, _PAPER)
    drawing = ImageDraw.Draw(paper)
    drawing.text((130, 170), LIFT_HEADING, font=ImageFont.truetype(str(FONTS / "DejaVuSerif-Bold.ttf"), 42), fill=_INK)
    font = ImageFont.truetype(str(FONTS / "DejaVuSerif.ttf"), 32)
    top = 290
    for paragraph in LIFT_PARAGRAPHS:
        line = ""
        for word in [*paragraph.split(), ""]:
            if word and font.getlength(f"{line} {word}") <= _PAGE[0] - 260:
                line = f"{line} {word}".strip()
                continue
            drawing.text((130, top), line, font=font, fill=_INK)
            line, top = word, top + 46
        top += 50
    turned = paper.rotate(0.9, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=_DESK)
    photo = Image.new("RGB", (turned.width + 60, turned.height + 60), _DESK)
    photo.paste(turned, (30, 30))
    light = Image.linear_gradient("L").resize(photo.size).point(lambda level: 175 + level * 80 // 255)
    photo = ImageChops.multiply(photo, Image.merge("RGB", (light, light, light)))
    photo = ImageChops.add(photo, _grain(photo.size), offset=-8).filter(ImageFilter.GaussianBlur(0.7))
    written = io.BytesIO()
    photo.save(written, "JPEG", quality=40, optimize=True, dpi=(150, 150))
    return written.getvalue()


def _grain(size: tuple[int, int]) -> Image.Image:
    """Make the grain of a small camera, the same each time."""
    chosen = random.Random(7)  # noqa: S311 -- grain, no secret
    width, height = size[0] // 2, size[1] // 2
    grain = Image.frombytes("L", (width, height), bytes(chosen.choices(range(17), k=width * height))).resize(size)
    return Image.merge("RGB", (grain, grain, grain))


def _robotics() -> bytes:
    """Write the club's agreement: headings, paragraphs, lists and a table."""
    document = Document()
    document.core_properties.title = ROBOTICS_TITLE
    document.core_properties.author = "Harbour Hill School"
    document.add_heading(ROBOTICS_TITLE, 0)
    for heading, paragraphs, points in ROBOTICS_SECTIONS:
        document.add_heading(heading, 1)
        for text in paragraphs:
            document.add_paragraph(text)
        for text in points:
            document.add_paragraph(text, style="List Bullet")
        if heading == "The kit":
            table = document.add_table(rows=0, cols=len(ROBOTICS_TABLE[0]), style="Table Grid")
            for row in ROBOTICS_TABLE:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


if __name__ == "__main__":
    for path in make_files():
        sys.stdout.write(f"{path.relative_to(FOLDER)}: {path.stat().st_size:,} bytes\n")
