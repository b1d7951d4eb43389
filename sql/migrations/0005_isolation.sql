-- What isolation needs beside the walls: ids that tell nothing, tokens that can be revoked, limits, an audit log,
-- answers that remember what they rest on, and erasure.

-- Ids ------------------------------------------------------------------------------------------------------------
-- A counter shared by all tenants tells each of them, by its gaps, how much the others write. new_id() (sql/functions)
-- gives the same numbers in an order that only this key knows.
CREATE TABLE id_secrets (
    sequence_name text PRIMARY KEY,
    key bytea NOT NULL CHECK (length(key) = 32),
    floor bigint NOT NULL CHECK (floor >= 0),
    half_bits integer NOT NULL CHECK (half_bits IN (16, 26)),
    ceiling bigint NOT NULL CHECK (ceiling > floor)
);
INSERT INTO id_secrets (sequence_name, key, floor, half_bits, ceiling)
SELECT s.sequencename, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), coalesce(s.last_value, 0),
       CASE s.data_type WHEN 'integer'::regtype THEN 16 ELSE 26 END,
       CASE s.data_type WHEN 'integer'::regtype THEN 2147483647 ELSE 4503599627370495 END
FROM pg_sequences AS s WHERE s.schemaname = 'public';
COMMENT ON TABLE id_secrets IS 'How new_id() scatters the numbers of a sequence. No login reads it.';
COMMENT ON COLUMN id_secrets.sequence_name IS 'The sequence.';
COMMENT ON COLUMN id_secrets.key IS 'Drawn when this database was installed; with it, ids would tell the order in which all tenants wrote.';
COMMENT ON COLUMN id_secrets.floor IS 'Ids up to this one were given before ids were scattered, and are not given again.';
COMMENT ON COLUMN id_secrets.half_bits IS 'Half the width of the numbers that are scattered.';
COMMENT ON COLUMN id_secrets.ceiling IS 'The greatest id: of an integer, or what JSON keeps exactly.';

-- Session tokens ---------------------------------------------------------------------------------------------------
CREATE TABLE session_tokens (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    member_id integer NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES family_members (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX session_tokens_of_member ON session_tokens (tenant_id, member_id);
COMMENT ON TABLE session_tokens IS 'A session token that was issued. A signature alone lets nobody in: the token must be here, and not be revoked.';
COMMENT ON COLUMN session_tokens.tenant_id IS 'The tenant.';
COMMENT ON COLUMN session_tokens.id IS 'What the token names itself; not the token.';
COMMENT ON COLUMN session_tokens.member_id IS 'Whose it is.';
COMMENT ON COLUMN session_tokens.issued_at IS 'When it was issued.';
COMMENT ON COLUMN session_tokens.expires_at IS 'When it ends by itself.';
COMMENT ON COLUMN session_tokens.revoked_at IS 'When it was revoked; empty while it is valid.';

-- Limits -------------------------------------------------------------------------------------------------------------
ALTER TABLE tenants
    ADD COLUMN requests_per_minute integer NOT NULL DEFAULT 300 CHECK (requests_per_minute > 0),
    ADD COLUMN member_requests_per_minute integer NOT NULL DEFAULT 60 CHECK (member_requests_per_minute > 0),
    ADD COLUMN tokens_per_day bigint NOT NULL DEFAULT 20000000 CHECK (tokens_per_day > 0),
    ADD COLUMN member_tokens_per_day bigint NOT NULL DEFAULT 5000000 CHECK (member_tokens_per_day > 0),
    ADD COLUMN concurrent_chats integer NOT NULL DEFAULT 20 CHECK (concurrent_chats > 0),
    ADD COLUMN member_concurrent_chats integer NOT NULL DEFAULT 5 CHECK (member_concurrent_chats > 0);
COMMENT ON COLUMN tenants.requests_per_minute IS 'Calls that all of its members and its back end may make in a minute.';
COMMENT ON COLUMN tenants.member_requests_per_minute IS 'Calls that one member may make in a minute.';
COMMENT ON COLUMN tenants.tokens_per_day IS 'Tokens of models, in and out, that the tenant may spend in 24 hours.';
COMMENT ON COLUMN tenants.member_tokens_per_day IS 'Tokens of models, in and out, that one member may spend in 24 hours.';
COMMENT ON COLUMN tenants.concurrent_chats IS 'Questions that may be answered at once.';
COMMENT ON COLUMN tenants.member_concurrent_chats IS 'Questions of one member that may be answered at once.';

-- Unlogged: what is lost with a crash is a minute's or a day's count, and writing it costs no disk.
CREATE UNLOGGED TABLE rate_states (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    subject integer NOT NULL CHECK (subject >= 0),
    kind text NOT NULL CHECK (kind IN ('requests', 'tokens')),
    spent_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject, kind)
) WITH (fillfactor = 50);
COMMENT ON TABLE rate_states IS 'How much of a limit is spent: one moment for each limit (GCRA), so that a call costs one row and nothing is ever counted up.';
COMMENT ON COLUMN rate_states.tenant_id IS 'The tenant.';
COMMENT ON COLUMN rate_states.subject IS 'A member, or 0 for the whole tenant.';
COMMENT ON COLUMN rate_states.kind IS 'requests or tokens.';
COMMENT ON COLUMN rate_states.spent_until IS 'When all that was spent will have come back.';

CREATE UNLOGGED TABLE chat_slots (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    run_id text NOT NULL,
    member_id integer,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
COMMENT ON TABLE chat_slots IS 'A question that is being answered now.';
COMMENT ON COLUMN chat_slots.tenant_id IS 'The tenant.';
COMMENT ON COLUMN chat_slots.run_id IS 'The run that answers it.';
COMMENT ON COLUMN chat_slots.member_id IS 'Who asked.';
COMMENT ON COLUMN chat_slots.ends_at IS 'When it is over at the latest: the slot of a run that was killed is free then.';

-- Audit --------------------------------------------------------------------------------------------------------------
CREATE TABLE audit_log (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    identity text NOT NULL CHECK (identity IN ('signed', 'trusted', 'operator')),
    member_id integer,
    token_id uuid,
    action text NOT NULL CHECK (char_length(action) <= 100),
    outcome text NOT NULL CHECK (char_length(outcome) <= 100),
    target_type text CHECK (char_length(target_type) <= 100),
    target_id text CHECK (char_length(target_id) <= 200),
    job_id text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_log_by_time ON audit_log (tenant_id, occurred_at, id);
COMMENT ON TABLE audit_log IS 'Who did what to which id, when, and under which identity. Never any content. The logins add to it and cannot change it.';
COMMENT ON COLUMN audit_log.tenant_id IS 'The tenant.';
COMMENT ON COLUMN audit_log.id IS 'The entry.';
COMMENT ON COLUMN audit_log.occurred_at IS 'When.';
COMMENT ON COLUMN audit_log.identity IS 'signed (a session token), trusted (a back end that named the tenant), or operator.';
COMMENT ON COLUMN audit_log.member_id IS 'The member who acted, or in whose name it was done; no foreign key, because entries outlive members.';
COMMENT ON COLUMN audit_log.token_id IS 'The session token under which it was done.';
COMMENT ON COLUMN audit_log.action IS 'What was done or tried: the name of the script, or read_document.';
COMMENT ON COLUMN audit_log.outcome IS 'done, or the error code with which it was refused.';
COMMENT ON COLUMN audit_log.target_type IS 'To what: document, session, member, token, tenant.';
COMMENT ON COLUMN audit_log.target_id IS 'Its id.';
COMMENT ON COLUMN audit_log.job_id IS 'The job that did it.';

-- Conversations ------------------------------------------------------------------------------------------------------
ALTER TABLE conversation_messages ADD COLUMN sources integer[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN conversation_messages.sources IS
    'Documents that an answer rests on: those of the passages that the model was given, and of the earlier answers that it '
    'was told. When one of them is gone for the reader, so is the answer''s text.';
ALTER TABLE conversation_messages NO FORCE ROW LEVEL SECURITY; -- for the next statement; sql/policies forces it again
UPDATE conversation_messages SET sources = ARRAY(
    SELECT DISTINCT (citation ->> 'document_id')::integer FROM jsonb_array_elements(citations) AS citation
) WHERE citations <> '[]';
CREATE INDEX conversation_messages_in_order ON conversation_messages (tenant_id, session_id, created_at);

-- Ids are in no order any more, so the times tell it, also inside of one transaction.
ALTER TABLE api_usage ALTER COLUMN created_at SET DEFAULT clock_timestamp();

-- Erasure, and moving a tenant ----------------------------------------------------------------------------------------
CREATE TABLE erasures (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant uuid NOT NULL,
    member integer,
    erased_at timestamptz NOT NULL DEFAULT now(),
    counts jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object')
);
COMMENT ON TABLE erasures IS 'A tenant or a member was erased. It outlives them, and holds ids and counts alone. Operators read it.';
COMMENT ON COLUMN erasures.id IS 'Named by the receipt.';
COMMENT ON COLUMN erasures.tenant IS 'The tenant; no foreign key, because it may be gone.';
COMMENT ON COLUMN erasures.member IS 'The member; empty when the whole tenant was erased.';
COMMENT ON COLUMN erasures.erased_at IS 'When.';
COMMENT ON COLUMN erasures.counts IS 'How many rows of each table were removed.';

-- An account that belongs to another tenant too cannot go with one of them, whoever tries: not even the owner sees that.
ALTER TABLE tenant_memberships DROP CONSTRAINT tenant_memberships_user_id_fkey,
    ADD CONSTRAINT tenant_memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);

CREATE INDEX tenant_memberships_of_account ON tenant_memberships (user_id);

ALTER TABLE tenants ADD COLUMN imported_from uuid;
COMMENT ON COLUMN tenants.imported_from IS 'The archive from which it was imported; its other pages are taken, those of no other archive.';

CREATE TABLE imported_ids (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('member', 'document', 'chunk')),
    old_id integer NOT NULL,
    new_id integer NOT NULL,
    PRIMARY KEY (tenant_id, kind, old_id)
);
COMMENT ON TABLE imported_ids IS 'Which id an imported row got: ids are given anew, so that they never meet those that will be given later.';
COMMENT ON COLUMN imported_ids.tenant_id IS 'The tenant.';
COMMENT ON COLUMN imported_ids.kind IS 'member, document or chunk.';
COMMENT ON COLUMN imported_ids.old_id IS 'In the archive.';
COMMENT ON COLUMN imported_ids.new_id IS 'Here.';
