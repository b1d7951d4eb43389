-- What was asked and answered.

CREATE TABLE conversation_sessions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    member_id integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_message_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '90 days',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES family_members (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX conversation_sessions_expiring ON conversation_sessions (tenant_id, expires_at);
COMMENT ON TABLE conversation_sessions IS 'A conversation of one member, or of a back end that named none.';
COMMENT ON COLUMN conversation_sessions.tenant_id IS 'The tenant.';
COMMENT ON COLUMN conversation_sessions.id IS 'What scripts call session_id; random.';
COMMENT ON COLUMN conversation_sessions.member_id IS 'Whose it is; nobody else can read or continue it.';
COMMENT ON COLUMN conversation_sessions.created_at IS 'When it began.';
COMMENT ON COLUMN conversation_sessions.last_message_at IS 'When the last message came.';
COMMENT ON COLUMN conversation_sessions.expires_at IS 'When clean_up removes it; each message puts it off.';

CREATE TABLE conversation_messages (
    tenant_id uuid NOT NULL,
    id bigserial NOT NULL,
    session_id uuid NOT NULL,
    event_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    content text NOT NULL,
    citations jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(citations) = 'array'),
    sight smallint NOT NULL CHECK (sight BETWEEN 0 AND 3),
    confidence real,
    model text,
    provider text,
    input_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, session_id, event_id, role),
    FOREIGN KEY (tenant_id, session_id) REFERENCES conversation_sessions (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE conversation_messages IS 'A question or an answer of a conversation.';
COMMENT ON COLUMN conversation_messages.tenant_id IS 'The tenant.';
COMMENT ON COLUMN conversation_messages.id IS 'In the order of the conversation.';
COMMENT ON COLUMN conversation_messages.session_id IS 'The conversation.';
COMMENT ON COLUMN conversation_messages.event_id IS 'The run that wrote it: a run that is repeated writes it once.';
COMMENT ON COLUMN conversation_messages.role IS 'user or assistant.';
COMMENT ON COLUMN conversation_messages.content IS 'The text.';
COMMENT ON COLUMN conversation_messages.citations IS 'What the answer cites: n, document_id, chunk_id, start, end; never the quoted text.';
COMMENT ON COLUMN conversation_messages.sight IS 'How much its author could see then: 0 nobody named, 1 teen or child, 2 adult, 3 admin. A lesser sight does not read it.';
COMMENT ON COLUMN conversation_messages.confidence IS 'Of an answer, in [0, 1].';
COMMENT ON COLUMN conversation_messages.model IS 'The model that answered.';
COMMENT ON COLUMN conversation_messages.provider IS 'Its provider.';
COMMENT ON COLUMN conversation_messages.input_tokens IS 'Tokens that went in.';
COMMENT ON COLUMN conversation_messages.output_tokens IS 'Tokens that came out.';
COMMENT ON COLUMN conversation_messages.created_at IS 'When it was written.';
