# ruff: noqa: E501, RUF001 - a phrase stands in one line; Greek letters are meant here
"""The words by which a date is told to be an expiry, a renewal, something due, a start or an issue, or none of these.

Shared module, pure: data for ``date_phrases``, in English and Greek, as folded text has them. Taken from the wording of
insurance certificates, identity papers, leases, warranties, invoices, food labels, subscriptions, school letters,
tenders and public notices.
"""

import re
from typing import Literal

import f.core.errors  # noqa: F401 -- refuses to run as a script

Kind = Literal["expiry", "renewal", "due", "start", "issued"]

_SAYING: dict[str, str] = {
    "due": r"""
        due(?: date| for payment| by| on| before| in)?(?! to\b| for renewal| diligence|-?for)
        (?:payment|instal+ment) (?:no\.? )?(?:\w{1,7}|\d{1,2})(?=\s?[:-])  payable(?: by| on or before| until)?
        pay(?:ment)? (?:is )?(?:required |needed |deadline|by|before)  (?:no|not) later than  at the latest  latest by
        deadlines?  closing (?:date|time)  delinquent (?:after|if not paid)  (?:late|overdue) after  hand-?in date
        vacate (?:by|on)
        (?:return|receipt|submission|delivery) of (?:tenders|bids|forms?|documents|applications|offers)
        review (?:date|by|due)  latest(?: date)?(?=:)  cut-?off(?: date| time)?
        (?:very )?last (?:day|date)(?! of (?:the )?(?:\w{2,10} )?(?:term|school|semester))  rent review(?=\s?:)
        final (?:date|day)  due back  remit by  apply by  send by  submit by
        (?:applications?|registrations?|entries|bookings?|submissions?|enrol+ments?|tenders?|nominations?|bidding|consultation|survey|poll|portal|window|call|position|vacancy|competition) (?:will |shall )?(?:be )?(?:clos(?:e|es|ed|ing)|ends?|ending)(?: on| at)?
        (?:received|submitted|arriving|lodged|postmarked|made|paid) after  submission date  return date  reply date
        rsvp  respond by  reply by  return by  on or before  target date  must (?:reach|arrive)
        (?:to|must|should|shall|please) (?:be )?(?:sent|received|returned|submitted|paid|lodged|filed|completed)(?= by\b| before\b| on or)
        next (?:\w{2,14} ){0,2}?(?:inspection|service|test|check|review|audit|examination|visit|calibration|assessment|payment|instal+ment|dose)(?: is)?(?: due)?(?: date| by| on| before)?
        re-?(?:check|test|inspection|assessment)(?: due)?(?: date)?  προθεσμι(?:α|ασ|εσ)
        (?:κατα)?ληκτικ(?:η|ησ|εσ) ημερομηνι(?:α|ασ|εσ)  καταληκτικη
        (?:τελικη|τελευταια|υστατη) (?:ημερομηνια|ημερα|προθεσμια|διορια|μερα)
        (?:κατατιθενται|υποβαλλονται|υποβληθουν|κατατεθουν|παραληφθουν|περιελθουν|παραλαμβανονται)(?: \w{2,12}){0,2} μετα
        (?:ημ\w{0,9}[./]?\w{0,3}\.? )?ληξη(?:σ)? (?:τησ |των )?(?:προθεσμιασ|υποβολησ|εγγραφων|πληρωμησ|αιτησεων|προσφορων)(?: \w{3,14}){0,3}?
        διορια  το αργοτερο(?: μεχρι| εωσ)?  αργοτερο  πληρωτε(?:ο|α|οσ|εσ)  εξοφλητε(?:ο|α|οσ|εσ)
        ημ(?:ερομηνια|ερ|/νια|ερ/νια|\.)?\.? (?:πληρωμησ|εξοφλησησ|οφειλησ|υποβολησ|παραδοσησ)  πληρωμη (?:εωσ|μεχρι)
        εξοφληση (?:εωσ|μεχρι)
        επομεν(?:οσ|η|ο|ου|ησ) (?:ελεγχ(?:οσ|ου)|επιθεωρησ\w+|δοσ(?:η|ησ)|κτεο|service|σερβισ|θεωρηση|συντηρηση|εξεταση|πληρωμη|εμβολιασμοσ|επανελεγχοσ|καταβολη)
        (?:[α-θ]|\d{1,2})(?:'|η)? δοση(?: \w{2,12}){0,2}?(?=\s?:)  δοσεισ(?=\s?:)  εμπροθεσμα  ληξιπροθεσμ\w*
        (?:να )?(?:καταβαλ|πληρωσ|εξοφλησ|υποβαλ|προσκομισ|καταθεσ|παραδωσ)\w{0,5}(?=\s(?:στισ|την|εωσ|μεχρι))
    """,
    "renewal": r"""
        renewals?(?: date| due| on)?  renews  renews?(?: on| automatically)  renewed(?= (?:on|by|before))  renewable
        renewing  auto-?renew\w*  due for renewal  next billing(?: date)?  re-?new by  ανανεωση(?:σ)?  ανανεωνεται
        ανανεωνονται  ανανεωθει  ανανεωστε  ανανεωσετε  ανανεωσεισ  ανανεωσε
    """,
    "expiry": r"""
        expir(?:y|es|e|ed|ing|ation)(?: date| dates)?  exp(?:\.| date)?(?!\w)  good (?:thru|through|until|till|to)
        (?:not |in)valid(?: for \w{2,12})? after  notafter  void after  not (?:be )?used after
        (?:valid|validity|effective|available|in force|in effect|guaranteed?|covered|insured|redeemable|usable|payable)(?: \w{1,12}){0,3}? (?:until|till|through|thru|to|up to|upto)
        validity(?: date| ends)?  (?:has been|have been|was|were|is now) renewed (?:until|till|through|to|up to)  valid for use (?:until|before)  use[-\s]?(?:by|before)(?: dates?)?
        best if (?:used|enjoyed|consumed|eaten) (?:by|before)(?: dates?)?  used? (?:it |them |this )?by
        best[-\s]?before(?: dates?| end)?  bbe?(?=:|\s)  best by  sell[-\s]by(?: dates?)?
        (?:discard|dispose|throw away|do not use|destroy) (?:\w{1,8} )?(?:after|by)
        ανανεωθηκ\w+ (?:εωσ|μεχρι|ωσ)  no longer (?:be )?(?:valid|accepted|supported)(?: after| from| on)?
        ceas(?:es?|ing) to (?:be|have|apply)(?: \w{2,10})?(?: from| on| after)?  display until  freeze by  enjoy by
        (?:eat|eaten|consumed?|used?) (?:it |them )?(?:after|past)  consume (?:by|before)  eat by
        redeem(?:ed|able)? (?:by|before|until)  to be used by  lapses?(?: on)?  laps(?:ed|ing)(?: on)?
        ceases?(?: on)?  (?:runs?|ran) out(?: on)?
        (?:end|ending|termination|terminates|maturity|cessation|completion|discontinuation) date
        end of (?!(?:the )?(?:autumn|spring|summer|winter|fall|school) term)(?:the )?(?:\w{2,10} )?(?:life|cover|validity|term|contract|lease|tenancy|warranty|guarantee|subscription|support|policy|insurance|licen[cs]e|agreement)(?: on)?
        (?:warranty|guarantee|contract|lease|tenancy|policy|cover|coverage|insurance|subscription|membership|licen[cs]e|support|term|agreement|permit|visa) (?:will |shall )?(?:end(?:s|ing|ed)?|ceases?|terminates?|finish(?:es)?|stops?)(?: on)?
        (?:warranty|guarantee|contract|lease|policy|cover|coverage|insurance|subscription|membership) (?:will be|shall be|is) cancelled (?:on|from|as of|with effect from)
        policy exp
        (?:offer|trial|promotion|sale|discount|deal|voucher|coupon)s? (?:end(?:s|ing|ed)?|closes?|finish(?:es)?)(?: on| at)?
        (?:shall |will )?(?:remain|continue)s?(?: \w{1,12}){0,4}? (?:until|till|through)  terminat(?:es|ing)(?: on)?
        terminate(?: automatically)? on  (?:will|shall) be terminated on  λυεται(?: αυτοδικαιωσ)?
        matures?(?: on)?  ληξη(?:σ)?(?: ισχυοσ)?  ληγουσα  ληγουσησ  ληγον  ληγει  ληγουν  ληγειν  εληξε  εληξαν
        θα ληξει  ληξει  εκπνεει  ισχυει (?:και )?(?:εωσ|μεχρι|ωσ|μεχρισ)
        ισχυ(?:σ|οσ|ουν|ει|ον) (?:\w{1,14} ){0,3}?(?:εωσ|μεχρι|ωσ)  (?:σε )?ισχυ (?:εωσ|μεχρι|ωσ)
        εν ισχυ (?:εωσ|μεχρι)  ημ(?:ερομηνια|ερομηνιεσ|ερ|/νια|ερ/νια|\.)?\.? ?ληξ(?:η|ησ|εωσ)  ληξεωσ
        (?:κατ)?αναλω\w+(?: κατα προτιμηση)?(?: (?:εωσ|πριν|μεχρι))?  δεν ισχυει μετα
        διαρκ(?:ει|ουν|εσει) (?:εωσ|μεχρι|ωσ)  ελαχιστησ διατηρησιμοτητασ  διατηρησιμοτητ\w*
        να (?:καταναλωθει|χρησιμοποιηθει)(?: πριν| εωσ| μεχρι)?  εξαργυρωσ\w* (?:εωσ|μεχρι)  παρατεινεται
        παρατεινονται  παραταση(?:σ)?  παραταθ\w+  4[bβ](?=[.\s])
        παυ(?:ει|ουν|σει|σουν) (?:να )?(?:ισχυ\w*)?(?: απο)?  παυει  παυουν  (?:χρονοσ|διαρκεια) ισχυοσ
    """,
    "start": r"""
        (?:valid|effective|available|applicable|covered) (?:as )?(?:from|of)  effective(?: date| on| from)?
        eff(?:\.| date)?(?!\w)  start(?:s|ing|ed)?(?: date| on| from)?  commenc\w+(?: date| on| from| at)?
        beg(?:ins?|inning|an|un)(?: date| on)?  inception(?: date)?  (?:not valid |)before(?= commencement)
        not (?:valid|payable|usable) (?:before|until)  notbefore  opens?(?: on| from)?  opening date  as from  with effect from
        in force from  activation date  (?:re-?)open(?:s|ing|ed)  from and including  εναρξη(?:σ)?(?: ισχυοσ)?
        αρχιζει  αρχιζουν  αρχομεν\w{1,4}  ξεκινα\w*  ισχυει απο  ισχυουν απο  με ισχυ απο  τιθεται σε ισχυ  εναρξεωσ
        ανοιγει  ανοιγουν
    """,
    "issued": r"""
        issu(?:ed|e|ing)(?: on| date)?  date of issue  dated  invoice date  date of invoice  statement date  bill date
        letter date  tax point  date issued  certificate date  iss(?!\w)  4[aα](?=[.\s])  εκδοση(?:σ)?  εκδοθηκε
        εκδοθεν  εκδιδεται  εκδοσεωσ  ημ(?:ερομηνια|/νια|\.)? (?:τιμολογιου|λογαριασμου|παραστατικου)
        με ημερομηνια(?! ληξ| ελαχ)
    """,
    "none": r"""
        (?:autumn|spring|summer|winter|fall|school)[-\s]term (?:ends?|ending|finish(?:es)?)(?: on)?  birth  born  d\.?o\.?b\.?(?!\w)  died  sign(?:ed|ature)(?: on)?  purchased(?: on)?  purchase date
        date of purchase  bought  ordered?(?: on| date| placed)?  placed  shipped  delivered  delivery(?: date)?
        printed  published(?: on)?  updated  last (?:updated|modified|reviewed|visited|seen)  meeting  meets  held
        takes? place  took place  appointment  interviews?  event  visit  evening  exhibition  concert  ceremony
        conference  trip  founded  established  since  paid on  received on  collected  manufactur\w+  mf[dg]\.?(?!\w)
        packed  produced|production  minutes  resolution  approved  adopted  entry into force  version
        ref(?:erence|\.)?(?!\w)  replaced  reopens  tested on  test date  posted  accessed  retrieved  copyright
        recorded|registered on
        date of (?:birth|death|purchase|test|loss|accident|incident|travel|visit|request|application|registration)
        installed  incident  accident  occurred  departure  departs?  arriv(?:al|es)(?: date)?  check-?in  check-?out
        worked  employed  graduated  lived  married  ran  invoice period  statement period  billing period
        period covered  γεννησησ|γεννηθηκε  πεθανε|απεβιωσε  υπογραφ\w+  συναντηση  συνεδριαση|συνεδριασ\w+
        διεξαχθ\w+|διεξαγεται  θα γινει|εγινε|γινεται  πραγματοποι\w+  δημοσιευ\w+  αγορα(?:σ\w*)?|ημερομηνια αγορασ
        φεκ  παραγωγησ|παρασκευησ|συσκευασιασ  αποφαση\w*  πρωτοκ\w+  αρ\w{0,4}\.? πρωτ\.?(?!\w)  ενημερωσ\w+
        εκτυπωσ\w+  εκδηλωση  εκδρομη  ραντεβου  παραληφθηκε|παραδοθηκε  ιδρυ\w+  ψηφισ\w+|κυρωθηκε  θεματα|εξετασεισ
        επισκεψη|γιορτη|παρασταση|συναυλια|εκλογ\w+|αποσφραγιση\w*|περιοδοσ καταναλωσησ|περιοδοσ αναφορασ|παρελαβε
    """,
}
"""What is said of a date, before it or, for what is also a title of a column or form field, above it."""

_SUBJECTS: dict[str, str] = {
    "due": r"""
        pay\w*  invoice  bill  balance  deposit  amount  fee|fees  instal+ments?  submi\w+
        appl(?:y|ies|ication|ications)  repl(?:y|ies)  respon[ds]\w*  return\w*  regist\w+  enrol\w*  tenders?  bids?
        proposals?  quotations?  send  sent  complet\w+  book|bookings?  order|orders  tell us|let us know|contact|inform\w*|notify|email  claims?  objections?  appeals?
        comments?  received  reach  settle\w*  must  please  required  notice  confirm\w*  forms?  consent  deliver\w*
        file|filed|filing  lodg\w+  nominat\w+  deadline  consult\w+  need|needs|have to|has to|should  vacate
        collect  pay  hand|handed  provide  rsvp  cancel\w*  exercised?  entries  hand(?:ed)? in  turn(?:ed)? in
        upload\w*  vote|votes  πληρω\w+  καταβ\w+  εξοφλ\w+  οφειλ\w*  υποβ\w+  αιτησ\w+  προσφορεσ|προσφορων
        δηλωσ\w+  εγγραφ\w+  επιστρεψ\w*|επιστροφ\w*  δεκτ\w+  αποστ\w+|στειλ\w*  παρακαλ\w+  δοσ(?:η|ησ|εισ)
        προθεσμι\w+  συμμετοχ\w+  ενστασ\w+|προσφυγ\w+  καταθε\w+|κατατιθ\w+
        προσκομι\w+|απαντησ\w*|ασκειται|λογαριασμ\w+  πρεπει  προσκλησ\w+  (?!ειστε)\w{3,14}[σξψ]τε  σταλ\w+
        αντικατασταθ\w+|αντικαταστησ\w+  παραδ(?:ιδ|ω|οσ|ο)\w+  περιθωρι\w+  ακυρω\w+  συμπληρω\w+  τακτοποι\w+
        ολοκληρω\w+  προσελθ\w+  υποχρε\w+  καλουνται|καλειστε
    """,
    "renewal": r"renew\w*  ανανεω\w+",
    "expiry": r"""
        valid\w*  effective  in force  in effect  cover\w*  insur\w+  polic(?:y|ies)  warrant\w+  guarante\w+
        licen[cs]e\w*  permit\w*  certifi\w+  leas\w+  tenan\w+  term  contract\w*  agreement  subscri\w+
        membership\w*  probation\w*|placement|secondment  offers?  trial  use  enjoy  prescri\w+|refills?
        prices?|rates?|tariff\w*|quot\w+  tickets?|cards?|accounts?|access  deals?|fixed
        exempt\w*|clearance|approval|mandate  (?:grant|award|project|rental) period  vouchers?  coupons?  pass(?:es)?
        passport\w*  visas?  protect\w+  authori[sz]\w+  accredit\w+  registration|approv\w+ period  consum\w+  eaten
        dates? codes?  best before  use-by  opt(?:ion|-out)  discounts?  support\w*  entitl\w+  suspen\w+  extended
        ισχυ\w*  ασφαλ\w+  εγγυησ\w+  αδει\w+  πιστοποιητ\w+  μισθω\w+  συμβασ\w+  συμβολαι\w+  συνδρομ\w+
        διαρκεια(?=\s?:)  διαβατηρι\w+  ταυτοτητ\w+  βιζα  κουπον\w*  εκπτωσ\w+  προσφορα  αναλω\w+  παρατ\w+
        δεσμευ\w+  δωροεπιταγ\w+|δωροκαρτ\w+  καλυψ\w+|καλυπτ\w+  καρτ\w+|πασο|δελτι\w+|εισιτηρι\w+
        τιμη|τιμεσ|τιμοκαταλογ\w+  ενημεροτητ\w+|βεβαιωσ\w+|εγκρισ\w+|εξουσιοδοτησ\w+|διπλωμα\w*|δικαιωμα\w*|προσβαση
    """,
    "none": r"""
        worked  employed  lived  had  grown  was  were  (?:half|school|spring|summer|autumn|winter)[-\s]term
        holidays?  statement of account|statement  travel\w*  stay  period covered  εργαστηκε  διακοπ\w+  περιοδοσ αγορων
    """,
}
"""What a date with no more than "by", "until" or "from ... to" before it is about."""


def _alternatives(said: str) -> str:
    """Turn phrases into the branches of a pattern; between two of their words there may be a line break."""
    return "|".join(re.split(r"\s{2,}", said.strip())).replace(" ?", r"\s{0,2}").replace(" ", r"\s{1,2}")


def _one_of(phrases: dict[str, str]) -> re.Pattern[str]:
    """Compile phrases, which two spaces or a line break part, into one pattern with a group for each kind."""
    groups = [f"(?P<{kind}>{_alternatives(said)})" for kind, said in phrases.items()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(groups)})(?!\w)")


SAYING = _one_of(_SAYING)
SUBJECT = _one_of(_SUBJECTS)

PREPOSITION = re.compile(
    r"(?<!\w)(?:(?P<until>(?:up )?to|until|till?|through|thru|ends?|ending|finish(?:es)?|close[sd]?|closing|εωσ|μεχρισ?|ωσ|περαν)"
    r"|(?P<by>by|before|within|prior to|πριν(?: απο)?|εντοσ)|(?P<start>from|since|after|απο|between|μεταξυ))(?!\w)"
)
LINK = re.compile(r"(?<!\w)(?:is|are|be|on|by|at|until|to|for|ειναι|στισ|στην|την|τη|εωσ|μεχρι)(?!\w)|[:=]")
NEGATED = re.compile(
    r"(?<!\w)(?:(?:do|does|did|will) not (?:need to |have to )|(?:do|does|did)n't (?:need to |have to )|δεν χρειαζεται να "
    r"|no (?:payment|instal+ment|rent|fee|balance|amount|deposit) (?:is |will be |falls )?)$"
)
NEGATED_END = re.compile(r"(?<!\w)(?:(?:do|does|did|will|shall) not |(?:do|does|did|wo)n't |never |δεν (?:θα )?)$")
"""What turns words around when it stands right before them; the second for those of an expiry, as "if you do not pay by"
says what is due."""
OF_DEADLINE = re.compile(
    r"(?<!\w)(?:deadline|submission|window|period for|προθεσμι\w*|διορι\w*|εγγραφ\w*|υποβολ\w*|αιτησ\w*|δηλωσ\w*|πληρωμ\w*|"
    r"δοσ(?:η|εισ|ησ)|οφειλ\w*|παραστατικ\w*|τιμολογι\w*|λογαριασμ\w*|εξοφλησ\w*)(?!\w)"
)
"""What does not expire by itself: its end is when something is due."""
OF_COURSE = re.compile(
    r"(?<!\w)(?:προγραμμα(?:τα|τοσ|των)?|μαθημα(?:τα|των)|διδασκαλι\w*|εξαμην\w+|εξετασεισ|εκθεση|σχολικ\w+ ετοσ)(?!\w)"
)
"""What has an end that is no expiry."""
ENDING = re.compile(
    r"(?:ημ\w{0,9}\W{0,3})?(?:ληξ\w+)|παραταθ\w+|expir\w+|ends?|ceases?|laps\w+|and end\w*.*|ληγ\w+|ληξ\w+|εληξ\w+|θα ληξει|εκπνεει|παρατ.*|ισχυει.*|παραταση.*"
)
JOINED = re.compile(r"[\s,;&/*+-]*(?:and|or|και|η|ή)?[\s,;&/*-]*")
"""What may stand between dates of which the same is said."""
TO = re.compile(
    r"[\s,|)]*(?:ωρα )?(?:\d{1,2}[:.]\d{2})?(?: ?[ap]\.?m\.?)?(?:\([^()\n]{0,40}\))?[\s,]*"
    r"(?:(?P<and>and|και)|(?:up )?to|until|till?|through|thru|-|εωσ|μεχρισ?|ωσ)(?!\w)[\s:]*(?:and including |including )?"
    r"(?:και|τισ|την|τη|το|the|on|στισ|\s)*"
)
"""What may stand between the first and the last day of a range."""
FILLER = re.compile(
    r"(?:[\s:;=|()\[\]\-,.*_#\"'/<>]"
    r"|(?:on|at|the|is|are|was|be|of|until|by|before|from|to|and|including|inclusive|up|midnight|noon|end|close|business|dates?|day|all|codes?|in(?= [a-z])|"
    r"mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?|(?:a|p)\.?m|oclock|hours?|hrs|utc|"
    r"eastern|central|pacific|local|time|gmt|est|cet|bst|o'clock|dd|mm|yyyy|yy|ηη|μμ|εεεε|ranging|ranges?|automatically|currently|falls?|will|shall|"
    r"στισ|στη|στην|στο|στουσ|την|τη|τισ|το|τον|του|τησ|των|τα|η|ο|και|εωσ|μεχρι|μεχρισ|ωσ|απο|ωρα|ημερα|μεσανυχτα|τελοσ|"
    r"δευτερασ?|τριτησ?|τεταρτησ?|πεμπτησ?|παρασκευησ?|σαββατου?|κυριακησ?|ειναι|ημερομηνια|αυτοματα|λεπτα|π\.?μ|μ\.?μ)(?!\w)"
    r"|\d{1,2}(?:[:.]\d{2})?(?= ?[ap]\.?m)|\d{1,2} (?=noon|midnight|μεσημερι)|\d{1,2}[:.]\d{2}(?!\w))*+"
)
"""What may stand between words and the date that they are right before."""
CARD = re.compile(
    r"(?<!\w)(?:exp|expir(?:y|es|ation)(?: date)?|(?:valid |good )?(?:thru|through)|valid (?:until|to)|cards?|batch|use by|best before(?: end)?|bbe?"
    r"|(?:ημ\w{0,9}[./]?\w{0,3}\.? ?)?ληξη|αναλωση[^\d\n]{0,40})(?:\W{0,3}(?:dd|mm|yyyy|yy|end|date|month|year)){0,4}\W{0,4}$"
)
"""What stands right before a month with two digits of a year, on cards and labels."""
