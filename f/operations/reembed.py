# skip_result_postprocessing
"""Move tenants to the next embedding model: their vectors are made in the background, and then switched at once.

Script for operators and a schedule. With next_embed in f/chatbot/ai_settings the tenants are moved to that model, and
otherwise what is of another model than embed to that one. Until a tenant has all vectors of the new model, it is
searched by the old ones. A run that is killed or ends at its limit loses nothing, and the next one goes on; with
nothing left to do no provider is called. Two runs at once are refused.
"""

from f.core.arguments import integer, optional_identifier
from f.core.embedding_spaces import ReembedData, reembed_tenants
from f.core.job import script


@script(asks_models=True)
def main(tenant_id: str | None = None, limit: int = 100000) -> ReembedData:
    """Move tenants to the next embedding model.

    Args:
        tenant_id: Only this tenant, a UUID; all by default.
        limit: The most vectors to make in this run, from 1 to 10,000,000.
    """
    tenant = optional_identifier("tenant_id", tenant_id)
    return reembed_tenants(tenant, integer("limit", limit, 1, 10_000_000, default=100_000))
