# skip_result_postprocessing
"""Give chunks that wait their vectors: of one document, of a tenant's backlog, or of everybody's.

Script: takes documents by a lease, asks the provider for the vectors of full batches, several in flight, and commits
each batch with its usage. Two runs at once share the work; a run that is killed is taken up where it was when its lease
ends, at once when the same flow step is repeated. A document is completed when each of its chunks has a vector of the
one model. What a repeat cannot mend fails a document at once, what may pass after three attempts.
"""

from typing import Literal

from f.core.ai_settings import read_ai_settings
from f.core.arguments import flag, integer, is_missing, optional_id
from f.core.backlog import EmbedData, Embedder, embed_all_tenants
from f.core.database import admitted
from f.core.documents import document_state
from f.core.errors import InvalidArgument, NotFound
from f.core.identity import background, identify
from f.core.job import script


@script()
def main(
    tenant_id: str | None = None,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    document_id: int | None = None,
    all_tenants: bool = False,
    limit: int = 1000,
) -> EmbedData:
    """Embed what waits.

    Args:
        tenant_id: The tenant, a UUID. Leave it out with all_tenants.
        user_member_id: The member who acts; then document_id must be one that the member may see.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        document_id: Only this document; also one that has failed. Waits while another run has it.
        all_tenants: Everybody's backlog. Needs the right to read the operators' database resource.
        limit: The most documents to take in this run, from 1 to 100,000.
    """
    most = integer("limit", limit, 1, 100_000, default=1000)
    wanted = optional_id("document_id", document_id)
    if flag("all_tenants", all_tenants, default=False):
        if any(not is_missing(value) for value in (tenant_id, user_member_id, user_member_type, session_token, wanted)):
            raise InvalidArgument("all_tenants goes with neither a tenant, a member, a token nor a document.")
        return embed_all_tenants(most).data(None)
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    if caller.is_named and wanted is None:
        raise InvalidArgument("document_id is missing: a member embeds one document, not the backlog.")
    with admitted(caller) as database:
        if wanted is not None:
            # A back end that names nobody works for the whole tenant here: it gets counts and a status, no content.
            with database.transaction(caller if caller.is_named else background(caller.tenant_id)) as transaction:
                if document_state(transaction, wanted) is None:
                    raise NotFound("There is no such document.", about=("document", wanted))
        database.require_budget()
        embedder = Embedder(database, *read_ai_settings())
        progress = embedder.run(background(caller.tenant_id), document_id=wanted, limit=most)
    return progress.data(wanted)
