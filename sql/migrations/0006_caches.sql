-- What is remembered so that it need not be bought twice: the embeddings of questions and, where an installation wants
-- it, answers. Both belong to one member, so that no member can tell by a quick answer what another has asked. Each has
-- a fixed number of places for a member, and a newer one takes the place of an older: no flood of questions makes them
-- grow. Unlogged: a crash forgets them, and they are in no backup that is made from the write-ahead log.

CREATE UNLOGGED TABLE query_embeddings (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    subject integer NOT NULL CHECK (subject >= 0),
    place smallint NOT NULL CHECK (place >= 0),
    key bytea NOT NULL CHECK (length(key) = 32),
    embedding halfvec(1024) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subject, place)
);
ALTER TABLE query_embeddings ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX query_embeddings_by_age ON query_embeddings (tenant_id, created_at);
COMMENT ON TABLE query_embeddings IS 'The embedding of a question that a member has asked before. The question itself is not kept.';
COMMENT ON COLUMN query_embeddings.tenant_id IS 'The tenant.';
COMMENT ON COLUMN query_embeddings.subject IS 'The member who asked, or 0 where nobody was named.';
COMMENT ON COLUMN query_embeddings.place IS 'Which of the member''s places it has; another question may take it over.';
COMMENT ON COLUMN query_embeddings.key IS 'SHA-256 of the embedding model and the question as a reader sees it.';
COMMENT ON COLUMN query_embeddings.embedding IS 'Its vector, at the precision with which chunks keep theirs.';
COMMENT ON COLUMN query_embeddings.created_at IS 'When the provider made it.';

CREATE UNLOGGED TABLE cached_answers (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    subject integer NOT NULL CHECK (subject >= 0),
    place smallint NOT NULL CHECK (place >= 0),
    key bytea NOT NULL CHECK (length(key) = 32),
    seen bytea NOT NULL CHECK (length(seen) = 32),
    answer text NOT NULL,
    chunks integer[] NOT NULL CHECK (cardinality(chunks) > 0),
    sources integer[] NOT NULL CHECK (cardinality(sources) > 0),
    model text NOT NULL,
    provider text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject, place)
);
COMMENT ON TABLE cached_answers IS 'What a model answered to a member''s question. It is given again while nothing that the member may see has changed.';
COMMENT ON COLUMN cached_answers.tenant_id IS 'The tenant.';
COMMENT ON COLUMN cached_answers.subject IS 'The member who asked, or 0 where nobody was named.';
COMMENT ON COLUMN cached_answers.place IS 'Which of the member''s places it has; another answer may take it over.';
COMMENT ON COLUMN cached_answers.key IS 'SHA-256 of the question, its filters, and all rules and settings that shape an answer.';
COMMENT ON COLUMN cached_answers.seen IS 'What seen_by_member() said before its passages were looked for.';
COMMENT ON COLUMN cached_answers.answer IS 'What the model wrote, before its citations are checked.';
COMMENT ON COLUMN cached_answers.chunks IS 'The passages that the model was given, in their order.';
COMMENT ON COLUMN cached_answers.sources IS 'Their documents: when one is purged or erased, the row goes with it.';
COMMENT ON COLUMN cached_answers.model IS 'The model that answered.';
COMMENT ON COLUMN cached_answers.provider IS 'Its provider.';
COMMENT ON COLUMN cached_answers.expires_at IS 'When it is given to nobody any more, whatever has or has not changed.';
