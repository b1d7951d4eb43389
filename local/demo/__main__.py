"""Show all of it in a minute: documents in, cited answers out, and who does not get them.

``make demo`` starts an embedded PostgreSQL and the stand-in for Windmill in a directory of its own, which is wiped at
the start, and from then on does everything over HTTP, as a product's back end would: three tenants with members, the
samples through the flow ``f/chatbot/ingest_document``, and questions. The models are the offline ones.

What it prints it also checks: that a quote stands in the document at its place, that a lesser member and another tenant
get nothing. If something does not hold, it says so in a sentence and ends with status 1. It leaves nothing running, and
can be run again, however the last run ended.
"""

import sys
