-- What there is: documents, their chunks with vectors, and the words of the chunks.

CREATE TABLE documents (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id serial NOT NULL,
    title varchar(500) NOT NULL CHECK (title <> ''),
    content text NOT NULL CHECK (content <> ''),
    content_hash bytea NOT NULL,
    category varchar(100),
    visibility varchar(50) NOT NULL DEFAULT 'everyone'
        CHECK (visibility IN ('everyone', 'adults_only', 'admins_only', 'private')),
    assigned_to integer,
    created_by integer,
    embedding vector(1024),
    embedding_model text,
    tags text[] NOT NULL DEFAULT '{}',
    language text NOT NULL,
    source varchar(200),
    source_url varchar(2000),
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    idempotency_key varchar(200),
    chunk_count integer NOT NULL CHECK (chunk_count > 0),
    word_count integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    failure_reason text,
    lease_holder text,
    lease_until timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, assigned_to) REFERENCES family_members (tenant_id, id),
    FOREIGN KEY (tenant_id, created_by) REFERENCES family_members (tenant_id, id),
    CHECK (visibility <> 'private' OR assigned_to IS NOT NULL),
    CHECK (status <> 'completed' OR (embedding IS NOT NULL AND embedding_model IS NOT NULL))
);
CREATE INDEX documents_by_content ON documents (tenant_id, content_hash);
CREATE INDEX documents_waiting ON documents (tenant_id, id) WHERE status IN ('queued', 'processing');
CREATE INDEX documents_expiring ON documents (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX documents_deleted ON documents (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE UNIQUE INDEX documents_idempotency ON documents (tenant_id, coalesce(created_by, 0), idempotency_key)
    WHERE idempotency_key IS NOT NULL AND deleted_at IS NULL;
COMMENT ON TABLE documents IS 'A document of a tenant: its text as it was given, who may see it, and how far it has been processed.';
COMMENT ON COLUMN documents.tenant_id IS 'The tenant.';
COMMENT ON COLUMN documents.id IS 'What scripts call document_id.';
COMMENT ON COLUMN documents.title IS 'The title.';
COMMENT ON COLUMN documents.content IS 'The text, unchanged: all offsets count its characters from 0.';
COMMENT ON COLUMN documents.content_hash IS 'SHA-256 of the text with white space folded: the same text is the same document.';
COMMENT ON COLUMN documents.category IS 'One word for the kind of document, chosen by the tenant.';
COMMENT ON COLUMN documents.visibility IS 'everyone, adults_only, admins_only or private; member_may_see() says what each means.';
COMMENT ON COLUMN documents.assigned_to IS 'The member whom it concerns; a private document is seen by this member.';
COMMENT ON COLUMN documents.created_by IS 'The member who stored it; empty when a back end did.';
COMMENT ON COLUMN documents.embedding IS 'Of the whole document: the normalised mean of its chunks; for related documents and near duplicates.';
COMMENT ON COLUMN documents.embedding_model IS 'The model of that embedding.';
COMMENT ON COLUMN documents.tags IS 'Tags in lower case, each once.';
COMMENT ON COLUMN documents.language IS 'Text search configuration by which its words were stemmed.';
COMMENT ON COLUMN documents.source IS 'Where it came from: a channel or system, in the caller''s words.';
COMMENT ON COLUMN documents.source_url IS 'Address of the original, shown in citations.';
COMMENT ON COLUMN documents.metadata IS 'What the caller wants to keep with it.';
COMMENT ON COLUMN documents.idempotency_key IS 'The caller''s key: the same key by the same caller is the same document.';
COMMENT ON COLUMN documents.chunk_count IS 'How many chunks it has.';
COMMENT ON COLUMN documents.word_count IS 'Sum of its chunks'' lengths in words that are searched.';
COMMENT ON COLUMN documents.status IS 'queued, processing, completed or failed: whether its chunks have vectors.';
COMMENT ON COLUMN documents.attempts IS 'How often processing was begun.';
COMMENT ON COLUMN documents.failure_reason IS 'Why the last attempt failed, without content.';
COMMENT ON COLUMN documents.lease_holder IS 'The run that processes it.';
COMMENT ON COLUMN documents.lease_until IS 'When another run may take it over.';
COMMENT ON COLUMN documents.expires_at IS 'When what it describes ends, a policy or a passport; it stays searchable.';
COMMENT ON COLUMN documents.created_at IS 'When it was stored.';
COMMENT ON COLUMN documents.updated_at IS 'When it or its state last changed.';
COMMENT ON COLUMN documents.deleted_at IS 'Soft deletion: from then on nobody finds it; clean_up purges it.';

CREATE TABLE document_chunks (
    tenant_id uuid NOT NULL,
    id serial NOT NULL,
    document_id integer NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    start_offset integer NOT NULL CHECK (start_offset >= 0),
    end_offset integer NOT NULL,
    page integer CHECK (page > 0),
    heading text,
    content text NOT NULL,
    token_count integer NOT NULL CHECK (token_count > 0),
    words tsvector NOT NULL,
    word_count integer NOT NULL,
    embedding halfvec(1024),
    embedding_model text,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, document_id, ordinal),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE,
    CHECK (end_offset > start_offset),
    CHECK (char_length(content) = end_offset - start_offset),
    CHECK ((embedding IS NULL) = (embedding_model IS NULL))
);
-- Out of line a vector is read four times slower; this must be said before the first row is written.
ALTER TABLE document_chunks ALTER COLUMN embedding SET STORAGE PLAIN;
COMMENT ON TABLE document_chunks IS 'A passage of a document: what is searched, ranked and cited.';
COMMENT ON COLUMN document_chunks.tenant_id IS 'The tenant.';
COMMENT ON COLUMN document_chunks.id IS 'What scripts call chunk_id.';
COMMENT ON COLUMN document_chunks.document_id IS 'The document.';
COMMENT ON COLUMN document_chunks.ordinal IS 'Its place in the document, from 0.';
COMMENT ON COLUMN document_chunks.start_offset IS 'First character in the document, from 0.';
COMMENT ON COLUMN document_chunks.end_offset IS 'The character after the last: document.content[start:end] is the chunk.';
COMMENT ON COLUMN document_chunks.page IS 'Page on which it begins, from 1; empty when the document has no pages.';
COMMENT ON COLUMN document_chunks.heading IS 'The headings above it, outermost first, joined by " > ".';
COMMENT ON COLUMN document_chunks.content IS 'The passage, exactly as in the document.';
COMMENT ON COLUMN document_chunks.token_count IS 'Size in tokens, UTF-8 bytes / 4.';
COMMENT ON COLUMN document_chunks.words IS 'Its stems with positions, in the document''s language, accents folded.';
COMMENT ON COLUMN document_chunks.word_count IS 'How many words it counts for in ranking.';
COMMENT ON COLUMN document_chunks.embedding IS 'Its vector; empty until it has been embedded.';
COMMENT ON COLUMN document_chunks.embedding_model IS 'The model of that vector; vectors of two models are never compared.';

CREATE TABLE chunk_words (
    tenant_id uuid NOT NULL,
    lexeme text NOT NULL,
    chunk_id integer NOT NULL,
    document_id integer NOT NULL,
    frequency smallint NOT NULL,
    chunk_length smallint NOT NULL,
    PRIMARY KEY (tenant_id, lexeme, chunk_id) INCLUDE (document_id, frequency, chunk_length)
);
COMMENT ON TABLE chunk_words IS 'A stem occurs in a chunk: the inverted index by which words are ranked (BM25) inside one tenant. '
    'A b-tree, because under row-level security a GIN index is not used, and shared by tenants it would tell of the others by its time. '
    'Triggers on document_chunks keep it.';
COMMENT ON COLUMN chunk_words.tenant_id IS 'The tenant.';
COMMENT ON COLUMN chunk_words.lexeme IS 'The stem.';
COMMENT ON COLUMN chunk_words.chunk_id IS 'The chunk.';
COMMENT ON COLUMN chunk_words.document_id IS 'The chunk''s document.';
COMMENT ON COLUMN chunk_words.frequency IS 'How often it occurs there.';
COMMENT ON COLUMN chunk_words.chunk_length IS 'The chunk''s word_count.';

CREATE TABLE expiry_notices (
    tenant_id uuid NOT NULL,
    id serial NOT NULL,
    document_id integer NOT NULL,
    member_id integer NOT NULL,
    threshold text NOT NULL CHECK (threshold IN ('30_days', '7_days', '1_day', 'expired')),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, document_id, member_id, threshold, expires_at),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, member_id) REFERENCES family_members (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE expiry_notices IS 'A member is to be told, once, that a document they may see expires.';
COMMENT ON COLUMN expiry_notices.tenant_id IS 'The tenant.';
COMMENT ON COLUMN expiry_notices.id IS 'The notice.';
COMMENT ON COLUMN expiry_notices.document_id IS 'The document.';
COMMENT ON COLUMN expiry_notices.member_id IS 'The recipient.';
COMMENT ON COLUMN expiry_notices.threshold IS '30_days, 7_days, 1_day before, or expired.';
COMMENT ON COLUMN expiry_notices.expires_at IS 'The document''s expiry when the notice was made: a new date gives new notices.';
COMMENT ON COLUMN expiry_notices.created_at IS 'When it was made.';
