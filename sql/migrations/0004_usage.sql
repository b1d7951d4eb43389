-- What the providers were asked, and what it cost.

CREATE TABLE api_usage (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id bigserial NOT NULL,
    event_id varchar(200) NOT NULL,
    operation text NOT NULL CHECK (operation IN ('embed', 'rerank', 'rewrite', 'chat')),
    model text NOT NULL,
    member_id integer,
    document_id integer,
    session_id uuid,
    input_tokens bigint NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
    searches bigint NOT NULL DEFAULT 0 CHECK (searches >= 0),
    cost_microusd bigint NOT NULL CHECK (cost_microusd >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES family_members (tenant_id, id) ON DELETE SET NULL (member_id)
);
CREATE INDEX api_usage_by_time ON api_usage (tenant_id, created_at);
COMMENT ON TABLE api_usage IS 'A call of a provider, counted once, also when its job was repeated or killed.';
COMMENT ON COLUMN api_usage.tenant_id IS 'The tenant.';
COMMENT ON COLUMN api_usage.id IS 'The row.';
COMMENT ON COLUMN api_usage.event_id IS 'Names the call: the same name is the same call.';
COMMENT ON COLUMN api_usage.operation IS 'embed, rerank, rewrite (a follow-up question) or chat.';
COMMENT ON COLUMN api_usage.model IS 'The model.';
COMMENT ON COLUMN api_usage.member_id IS 'For whom, where a member was named.';
COMMENT ON COLUMN api_usage.document_id IS 'For which document; it may have been purged since.';
COMMENT ON COLUMN api_usage.session_id IS 'In which conversation; it may have been removed since.';
COMMENT ON COLUMN api_usage.input_tokens IS 'Tokens that went in.';
COMMENT ON COLUMN api_usage.output_tokens IS 'Tokens that came out.';
COMMENT ON COLUMN api_usage.searches IS 'Searches that the provider bills for reranking.';
COMMENT ON COLUMN api_usage.cost_microusd IS 'Cost in millionths of a US dollar, at the prices of that moment, rounded up.';
COMMENT ON COLUMN api_usage.created_at IS 'When it was counted.';
