-- What the two logins may do, in full, beside connecting and using the schema (sql/install.py, which has the right to
-- grant that). Neither owns, creates or bypasses anything.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, knowledge_app, knowledge_operator;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, knowledge_app, knowledge_operator;

-- knowledge_app: a member's scripts (f/chatbot).
GRANT SELECT ON tenants, family_members, schema_migrations TO knowledge_app;
GRANT SELECT, INSERT, UPDATE ON documents TO knowledge_app;
GRANT SELECT, INSERT, DELETE ON document_chunks, chunk_words, document_bands TO knowledge_app;
GRANT UPDATE (embedding, embedding_model, ordinal, start_offset, end_offset, page) ON document_chunks TO knowledge_app;
GRANT SELECT, INSERT ON document_versions TO knowledge_app;
GRANT SELECT, INSERT, UPDATE ON files TO knowledge_app;
GRANT SELECT, INSERT, UPDATE (last_read_at, revoked_at) ON calendar_feeds TO knowledge_app;
GRANT SELECT, INSERT ON conversation_sessions, conversation_messages, api_usage TO knowledge_app;
GRANT UPDATE (last_message_at, expires_at) ON conversation_sessions TO knowledge_app;
GRANT SELECT ON readable_messages, session_tokens TO knowledge_app;
GRANT SELECT, INSERT, UPDATE (spent_until) ON rate_states TO knowledge_app;
GRANT SELECT, INSERT, DELETE ON chat_slots TO knowledge_app;
GRANT SELECT, INSERT, UPDATE (key, embedding, created_at) ON query_embeddings TO knowledge_app;
GRANT SELECT, INSERT, UPDATE (key, seen, answer, chunks, sources, model, provider, expires_at) ON cached_answers
    TO knowledge_app;
GRANT SELECT ON audit_log TO knowledge_app;
GRANT INSERT (tenant_id, identity, member_id, token_id, action, outcome, target_type, target_id, job_id) ON audit_log
    TO knowledge_app;
GRANT EXECUTE ON FUNCTION new_id(text), take_provider_turn(text, uuid, integer, float8, float8),
    pause_provider_queue(text, uuid, float8) TO knowledge_app;

-- knowledge_operator: operators and schedules (f/operations).
GRANT SELECT ON schema_migrations TO knowledge_operator;
GRANT SELECT, INSERT ON tenants, users, tenant_memberships, family_members TO knowledge_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON documents, document_chunks TO knowledge_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON files, next_embeddings, notice_deliveries TO knowledge_operator;
GRANT SELECT, INSERT, DELETE ON chunk_words, document_bands, document_versions, expiry_notices TO knowledge_operator;
GRANT SELECT, UPDATE (revoked_at), DELETE ON calendar_feeds TO knowledge_operator;
GRANT SELECT, INSERT, DELETE ON conversation_sessions, conversation_messages TO knowledge_operator;
GRANT UPDATE (content, citations) ON conversation_messages TO knowledge_operator;
GRANT SELECT, INSERT ON api_usage TO knowledge_operator;
GRANT SELECT, INSERT, UPDATE (spent_until), DELETE ON rate_states TO knowledge_operator;
GRANT SELECT, DELETE ON chat_slots, query_embeddings, cached_answers TO knowledge_operator;
GRANT UPDATE (name, member_type, removed_at, notice_channels) ON family_members TO knowledge_operator;
GRANT UPDATE (requests_per_minute, member_requests_per_minute, tokens_per_day, member_tokens_per_day, concurrent_chats,
              member_concurrent_chats, name, language, retention_days, admins_see_private, date_order, time_zone,
              embedding_model) ON tenants TO knowledge_operator;
GRANT SELECT, INSERT, UPDATE (revoked_at), DELETE ON session_tokens TO knowledge_operator;
GRANT SELECT, INSERT ON audit_log TO knowledge_operator;
GRANT SELECT, INSERT ON erasures, imported_ids TO knowledge_operator;
GRANT EXECUTE ON FUNCTION new_id(text) TO knowledge_operator;
GRANT EXECUTE ON FUNCTION maintain_vector_index(integer, integer), drop_index_of_gone_tenant(uuid), erase_tenant(),
    erase_member(integer) TO knowledge_operator;
