-- A change of the embedding model: a tenant's vectors of the next model are gathered beside those that are searched,
-- and take their place in one statement when all are there.

ALTER TABLE tenants ADD COLUMN embedding_model text;
COMMENT ON COLUMN tenants.embedding_model IS 'The model whose vectors are searched since the tenant was moved to it; empty for the one that the installation began with.';

CREATE TABLE next_embeddings (
    tenant_id uuid NOT NULL,
    chunk_id integer NOT NULL,
    document_id integer NOT NULL,
    embedding halfvec(1024) NOT NULL,
    embedding_model text NOT NULL,
    PRIMARY KEY (tenant_id, chunk_id),
    FOREIGN KEY (tenant_id, chunk_id) REFERENCES document_chunks (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE next_embeddings ALTER COLUMN embedding SET STORAGE PLAIN;
COMMENT ON TABLE next_embeddings IS 'A passage''s vector of the model to which its tenant is being moved. Nothing is searched here.';
COMMENT ON COLUMN next_embeddings.tenant_id IS 'The tenant.';
COMMENT ON COLUMN next_embeddings.chunk_id IS 'The passage.';
COMMENT ON COLUMN next_embeddings.document_id IS 'Its document.';
COMMENT ON COLUMN next_embeddings.embedding IS 'Its vector.';
COMMENT ON COLUMN next_embeddings.embedding_model IS 'The model of that vector.';
