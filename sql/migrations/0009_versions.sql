-- What documents were before they were changed, and what finds those that are nearly the same.

ALTER TABLE documents ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0);
COMMENT ON COLUMN documents.version IS 'Counts its changes by members, from 1; who changes it says which one they have read.';

CREATE TABLE document_versions (
    tenant_id uuid NOT NULL,
    document_id integer NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    title varchar(500) NOT NULL,
    content text NOT NULL,
    content_hash bytea NOT NULL,
    category varchar(100),
    visibility varchar(50) NOT NULL CHECK (visibility IN ('everyone', 'adults_only', 'admins_only', 'private')),
    assigned_to integer,
    tags text[] NOT NULL,
    language text NOT NULL,
    expires_at timestamptz,
    changed_by integer,
    written_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, document_id, version),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, assigned_to) REFERENCES family_members (tenant_id, id),
    FOREIGN KEY (tenant_id, changed_by) REFERENCES family_members (tenant_id, id),
    CHECK (visibility <> 'private' OR assigned_to IS NOT NULL)
);
COMMENT ON TABLE document_versions IS 'What a document was before a change. Who sees it must be allowed to see the document as it is now, and as it was.';
COMMENT ON COLUMN document_versions.tenant_id IS 'The tenant.';
COMMENT ON COLUMN document_versions.document_id IS 'The document.';
COMMENT ON COLUMN document_versions.version IS 'Which version this was.';
COMMENT ON COLUMN document_versions.title IS 'Its title then.';
COMMENT ON COLUMN document_versions.content IS 'Its text then: citations of that time count its characters.';
COMMENT ON COLUMN document_versions.content_hash IS 'The hash of that text.';
COMMENT ON COLUMN document_versions.category IS 'Its category then.';
COMMENT ON COLUMN document_versions.visibility IS 'Who might see it then.';
COMMENT ON COLUMN document_versions.assigned_to IS 'Whom it concerned then.';
COMMENT ON COLUMN document_versions.tags IS 'Its tags then.';
COMMENT ON COLUMN document_versions.language IS 'Its language then.';
COMMENT ON COLUMN document_versions.expires_at IS 'Its expiry then.';
COMMENT ON COLUMN document_versions.changed_by IS 'The member who replaced it; empty when a back end did.';
COMMENT ON COLUMN document_versions.written_at IS 'Since when the document was like this.';
COMMENT ON COLUMN document_versions.replaced_at IS 'When it was replaced.';

ALTER TABLE documents ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN documents.changed_at IS 'Since when it is what it is: when it was stored, or last changed by a member.';

-- Passages that an edit has moved take new places all at once.
ALTER TABLE document_chunks DROP CONSTRAINT document_chunks_tenant_id_document_id_ordinal_key,
    ADD CONSTRAINT document_chunks_in_order UNIQUE (tenant_id, document_id, ordinal) DEFERRABLE INITIALLY IMMEDIATE;

CREATE TABLE document_bands (
    tenant_id uuid NOT NULL,
    band bigint NOT NULL,
    document_id integer NOT NULL,
    PRIMARY KEY (tenant_id, band, document_id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX document_bands_of_document ON document_bands (tenant_id, document_id);
COMMENT ON TABLE document_bands IS 'Part of a document''s sketch (MinHash of its shingles): documents that are nearly the same share some.';
COMMENT ON COLUMN document_bands.tenant_id IS 'The tenant.';
COMMENT ON COLUMN document_bands.band IS 'A hash over the band''s number and its part of the sketch.';
COMMENT ON COLUMN document_bands.document_id IS 'The document.';
