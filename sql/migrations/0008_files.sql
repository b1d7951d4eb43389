-- What is handed in: files, from their bytes to the documents that come out of them; and how far each document is.

CREATE TABLE files (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id serial NOT NULL,
    parent_id integer,
    name varchar(500) NOT NULL CHECK (name <> ''),
    batch varchar(200),
    media_type varchar(200),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 bytea CHECK (length(sha256) = 32),
    content bytea,
    title varchar(500),
    category varchar(100),
    visibility varchar(50) NOT NULL DEFAULT 'everyone'
        CHECK (visibility IN ('everyone', 'adults_only', 'admins_only', 'private')),
    assigned_to integer,
    created_by integer,
    tags text[] NOT NULL DEFAULT '{}',
    language text,
    source varchar(200),
    source_url varchar(2000),
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    expires_at timestamptz,
    idempotency_key varchar(200),
    parsed text,
    page_count integer CHECK (page_count > 0),
    ocr_pages integer NOT NULL DEFAULT 0 CHECK (ocr_pages >= 0),
    ocr_confidence real CHECK (ocr_confidence BETWEEN 0 AND 1),
    warnings text[] NOT NULL DEFAULT '{}',
    document_id integer,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
    step text NOT NULL DEFAULT 'parse' CHECK (step IN ('parse', 'store')),
    percent smallint NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    attempts integer NOT NULL DEFAULT 0,
    failure_code text,
    failure_reason text,
    next_attempt_at timestamptz,
    lease_holder text,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES files (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, assigned_to) REFERENCES family_members (tenant_id, id),
    FOREIGN KEY (tenant_id, created_by) REFERENCES family_members (tenant_id, id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE,
    CHECK (visibility <> 'private' OR assigned_to IS NOT NULL),
    CHECK (step <> 'parse' OR parent_id IS NOT NULL OR status = 'completed' OR content IS NOT NULL),
    CHECK (parent_id IS NULL OR content IS NULL),
    CHECK (step <> 'store' OR status <> 'queued' OR parsed IS NOT NULL),
    CHECK (status <> 'failed' OR failure_code IS NOT NULL)
);
CREATE INDEX files_waiting ON files (tenant_id, id) WHERE status IN ('queued', 'processing');
CREATE UNIQUE INDEX files_of_parent ON files (tenant_id, parent_id, name) WHERE parent_id IS NOT NULL;
CREATE INDEX files_of_document ON files (tenant_id, document_id) WHERE document_id IS NOT NULL;
CREATE INDEX files_of_batch ON files (tenant_id, batch, id) WHERE batch IS NOT NULL;
CREATE UNIQUE INDEX files_idempotency ON files (tenant_id, coalesce(created_by, 0), idempotency_key)
    WHERE idempotency_key IS NOT NULL;
COMMENT ON TABLE files IS 'A file that was handed in, or that was inside of one: what is to become of it, and how far it is.';
COMMENT ON COLUMN files.tenant_id IS 'The tenant.';
COMMENT ON COLUMN files.id IS 'What scripts call file_id.';
COMMENT ON COLUMN files.parent_id IS 'The archive or mail that it was inside of.';
COMMENT ON COLUMN files.name IS 'Its name; inside of an archive with the folders, as the archive has it.';
COMMENT ON COLUMN files.batch IS 'The caller''s word for files that were handed in together.';
COMMENT ON COLUMN files.media_type IS 'What it is by its content, never by its name; empty until it has been looked at.';
COMMENT ON COLUMN files.size_bytes IS 'How many bytes it has.';
COMMENT ON COLUMN files.sha256 IS 'SHA-256 of its bytes; empty for what could not be taken out of an archive.';
COMMENT ON COLUMN files.content IS 'Its bytes, until it has been parsed. What is inside of an archive has none of its own.';
COMMENT ON COLUMN files.title IS 'The title that its document is to get; otherwise it is taken from the file.';
COMMENT ON COLUMN files.category IS 'The category that its document is to get.';
COMMENT ON COLUMN files.visibility IS 'Who may see it and its document; member_may_see() says what each means.';
COMMENT ON COLUMN files.assigned_to IS 'The member whom it concerns.';
COMMENT ON COLUMN files.created_by IS 'The member who handed it in; empty when a back end did.';
COMMENT ON COLUMN files.tags IS 'The tags that its document is to get.';
COMMENT ON COLUMN files.language IS 'The language that its document is to have; otherwise it is told by the text.';
COMMENT ON COLUMN files.source IS 'Where it came from: a channel or system, in the caller''s words.';
COMMENT ON COLUMN files.source_url IS 'Address of the original, shown in citations.';
COMMENT ON COLUMN files.metadata IS 'What the caller wants to keep with its document.';
COMMENT ON COLUMN files.expires_at IS 'When what it describes ends.';
COMMENT ON COLUMN files.idempotency_key IS 'The caller''s key: the same key by the same caller is the same file.';
COMMENT ON COLUMN files.parsed IS 'Its text, from parsing until its document is stored; form feeds part pages.';
COMMENT ON COLUMN files.page_count IS 'How many pages it has; empty for what has none.';
COMMENT ON COLUMN files.ocr_pages IS 'How many of them were read by OCR.';
COMMENT ON COLUMN files.ocr_confidence IS 'How sure the OCR was of these, from 0 to 1.';
COMMENT ON COLUMN files.warnings IS 'What could not be taken over, in sentences without content.';
COMMENT ON COLUMN files.document_id IS 'The document that came out of it.';
COMMENT ON COLUMN files.status IS 'queued, processing, completed or failed. What is completed has a document, which has a status of its own, or files inside.';
COMMENT ON COLUMN files.step IS 'parse or store: what is being done, or to be done next.';
COMMENT ON COLUMN files.percent IS 'How much of the step is done.';
COMMENT ON COLUMN files.attempts IS 'How often the step was begun, as far as it did not succeed.';
COMMENT ON COLUMN files.failure_code IS 'The stable word for why the last attempt failed.';
COMMENT ON COLUMN files.failure_reason IS 'The same as a sentence, without content.';
COMMENT ON COLUMN files.next_attempt_at IS 'When it may be tried again; empty when at once.';
COMMENT ON COLUMN files.lease_holder IS 'The run that processes it.';
COMMENT ON COLUMN files.lease_until IS 'When another run may take it over.';
COMMENT ON COLUMN files.created_at IS 'When it was handed in.';
COMMENT ON COLUMN files.started_at IS 'When the last attempt began.';
COMMENT ON COLUMN files.completed_at IS 'When its document was stored, or it had been taken apart.';
COMMENT ON COLUMN files.updated_at IS 'When its row last changed.';

INSERT INTO id_secrets (sequence_name, key, floor, half_bits, ceiling)
VALUES ('files_id_seq', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 0, 16, 2147483647);

ALTER TABLE documents
    ADD COLUMN media_type varchar(200),
    ADD COLUMN page_count integer CHECK (page_count > 0),
    ADD COLUMN ocr_confidence real CHECK (ocr_confidence BETWEEN 0 AND 1),
    ADD COLUMN failure_code text,
    ADD COLUMN next_attempt_at timestamptz,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN completed_at timestamptz;
COMMENT ON COLUMN documents.media_type IS 'What the file was from which it came; empty when it was given as text.';
COMMENT ON COLUMN documents.page_count IS 'How many pages it has; empty for what has none.';
COMMENT ON COLUMN documents.ocr_confidence IS 'How sure the OCR was of the pages that it read, from 0 to 1; empty when there were none.';
COMMENT ON COLUMN documents.failure_code IS 'The stable word for why the last attempt failed.';
COMMENT ON COLUMN documents.next_attempt_at IS 'When it may be tried again; empty when at once.';
COMMENT ON COLUMN documents.started_at IS 'When the last attempt to embed it began.';
COMMENT ON COLUMN documents.completed_at IS 'When it last became completed.';
