-- Messages as their reader may still read them. An answer's text may repeat what its documents said, so it is withheld as
-- soon as one of the documents that it rests on is deleted or hidden from the reader, or the reader sees less than its
-- author did. Whoever reads messages reads them here: people and models.
DROP VIEW IF EXISTS readable_messages;
CREATE VIEW readable_messages WITH (security_invoker = true, security_barrier = true) AS
SELECT m.tenant_id, m.id, m.session_id, m.role, CASE WHEN withheld THEN NULL ELSE m.content END AS content, withheld,
       m.citations, m.sources, m.confidence, m.model, m.provider, m.created_at
FROM conversation_messages AS m
CROSS JOIN LATERAL (
    SELECT m.sight > member_sight() OR EXISTS (
        SELECT FROM unnest(m.sources) AS source (document_id)
        WHERE NOT EXISTS (SELECT FROM documents AS d
                          WHERE d.tenant_id = m.tenant_id AND d.id = source.document_id AND d.deleted_at IS NULL)
    ) AS withheld
) AS reader;
COMMENT ON VIEW readable_messages IS 'Messages of conversations, without the text of answers whose documents the reader may not see any more.';
COMMENT ON COLUMN readable_messages.tenant_id IS 'The tenant.';
COMMENT ON COLUMN readable_messages.id IS 'The message.';
COMMENT ON COLUMN readable_messages.session_id IS 'The conversation.';
COMMENT ON COLUMN readable_messages.role IS 'user or assistant.';
COMMENT ON COLUMN readable_messages.content IS 'The text; empty when it is withheld.';
COMMENT ON COLUMN readable_messages.withheld IS 'Whether the reader may not see any more what it rests on.';
COMMENT ON COLUMN readable_messages.citations IS 'What the answer cites: n, document_id, chunk_id, start, end.';
COMMENT ON COLUMN readable_messages.sources IS 'Documents that the answer rests on.';
COMMENT ON COLUMN readable_messages.confidence IS 'Of an answer, in [0, 1].';
COMMENT ON COLUMN readable_messages.model IS 'The model that answered.';
COMMENT ON COLUMN readable_messages.provider IS 'Its provider.';
COMMENT ON COLUMN readable_messages.created_at IS 'When it was written.';
