-- Erases the tenant of this transaction with all that is its own, and returns how many rows of each table went. A definer
-- function, because the logins may not delete most of it: it takes no argument, and deletes by the tenant's own id, under
-- the policies that are forced on the owner too.
CREATE OR REPLACE FUNCTION erase_tenant() RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    index_name text := 'document_chunks_nearest_' || replace(tenant::text, '-', '');
    accounts uuid[];
    counts jsonb := '{}';
    item text;
    removed bigint;
BEGIN
    IF tenant IS NULL OR current_setting('app.member_type', true) IS DISTINCT FROM 'system' THEN
        RAISE EXCEPTION 'erase_tenant needs a tenant, and to see all of it';
    END IF;
    -- What others are writing into the tenant is waited for; what they would write later finds nothing to belong to.
    PERFORM FROM public.tenants WHERE id = tenant FOR UPDATE;
    PERFORM FROM public.family_members WHERE tenant_id = tenant FOR UPDATE;
    PERFORM FROM public.documents WHERE tenant_id = tenant FOR UPDATE;
    PERFORM FROM public.files WHERE tenant_id = tenant FOR UPDATE;
    PERFORM FROM public.conversation_sessions WHERE tenant_id = tenant FOR UPDATE;
    accounts := ARRAY(SELECT user_id FROM public.tenant_memberships WHERE tenant_id = tenant);
    -- What belongs to something goes before it, or a cascade would remove it uncounted. Words go before their chunks also
    -- because the trigger finds them one by one.
    FOREACH item IN ARRAY ARRAY[
        'next_embeddings', 'chunk_words', 'document_chunks', 'document_bands', 'document_versions', 'notice_deliveries',
        'expiry_notices', 'files', 'documents', 'conversation_messages', 'conversation_sessions', 'calendar_feeds',
        'session_tokens', 'rate_states', 'chat_slots', 'query_embeddings', 'cached_answers', 'api_usage', 'audit_log',
        'imported_ids', 'family_members', 'tenant_memberships'
    ] LOOP
        EXECUTE format('DELETE FROM public.%I WHERE tenant_id = $1', item) USING tenant;
        GET DIAGNOSTICS removed = ROW_COUNT;
        counts := counts || jsonb_build_object(item, removed);
    END LOOP;
    DELETE FROM public.tenants WHERE id = tenant;
    GET DIAGNOSTICS removed = ROW_COUNT;
    counts := counts || jsonb_build_object('tenants', removed, 'users', public.erase_accounts(accounts));
    -- Last, because from here to the end of the transaction nobody can search.
    IF to_regclass('public.' || index_name) IS NOT NULL THEN
        EXECUTE format('DROP INDEX public.%I', index_name);
    END IF;
    RETURN counts;
END
$$;
COMMENT ON FUNCTION erase_tenant() IS
    'Erases the transaction''s tenant with all that is its own; returns how many rows of each table went.';
REVOKE ALL ON FUNCTION erase_tenant() FROM PUBLIC;
