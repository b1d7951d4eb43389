-- What the two logins may do, in full, beside connecting and using the schema (sql/install.py, which has the right to
-- grant that). Neither owns, creates or bypasses anything.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, knowledge_app, knowledge_operator;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, knowledge_app, knowledge_operator;

-- knowledge_app: a member's scripts (f/chatbot).
GRANT SELECT ON tenants, family_members, schema_migrations TO knowledge_app;
GRANT SELECT, INSERT, UPDATE ON documents TO knowledge_app;
GRANT SELECT, INSERT ON document_chunks, chunk_words TO knowledge_app;
GRANT UPDATE (embedding, embedding_model) ON document_chunks TO knowledge_app;
GRANT SELECT, INSERT ON conversation_sessions, conversation_messages, api_usage TO knowledge_app;
GRANT UPDATE (last_message_at, expires_at) ON conversation_sessions TO knowledge_app;
GRANT USAGE ON SEQUENCE documents_id_seq, document_chunks_id_seq, conversation_messages_id_seq, api_usage_id_seq
    TO knowledge_app;

-- knowledge_operator: operators and schedules (f/operations).
GRANT SELECT ON schema_migrations TO knowledge_operator;
GRANT SELECT, INSERT ON tenants, users, tenant_memberships, family_members TO knowledge_operator;
GRANT SELECT, UPDATE, DELETE ON documents, document_chunks TO knowledge_operator;
GRANT SELECT, DELETE ON chunk_words TO knowledge_operator;
GRANT SELECT, INSERT, DELETE ON expiry_notices TO knowledge_operator;
GRANT SELECT, DELETE ON conversation_sessions, conversation_messages TO knowledge_operator;
GRANT SELECT, INSERT ON api_usage TO knowledge_operator;
GRANT USAGE ON SEQUENCE family_members_id_seq, expiry_notices_id_seq, api_usage_id_seq TO knowledge_operator;
GRANT EXECUTE ON FUNCTION maintain_vector_index(integer, integer) TO knowledge_operator;
