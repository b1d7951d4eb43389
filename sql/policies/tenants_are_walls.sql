-- Row-level security, enabled and forced on every table. Policies are dropped and made anew at each install, so that
-- what is written here is what there is.
DO $$
DECLARE
    policy record;
    item record;
BEGIN
    FOR policy IN SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP POLICY %I ON public.%I', policy.policyname, policy.tablename);
    END LOOP;
    FOR item IN SELECT oid::regclass AS name FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'schema_migrations' LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', item.name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', item.name);
    END LOOP;
END
$$;

-- Tables whose rows belong to a tenant, and carry no document: the tenant alone decides.
DO $$
DECLARE
    tenant CONSTANT text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
    item text;
BEGIN
    FOREACH item IN ARRAY ARRAY['tenant_memberships', 'family_members', 'session_tokens', 'rate_states', 'chat_slots',
                                'imported_ids', 'next_embeddings', 'notice_deliveries', 'calendar_feeds'] LOOP
        EXECUTE format('CREATE POLICY "a tenant has its own rows alone" ON public.%I USING (%s) WITH CHECK (%s)', item, tenant, tenant);
    END LOOP;
END
$$;

-- Documents, and what is derived from them: the tenant and the member decide. Writing needs the tenant alone, because a
-- row that the writer may not see (a note for another member) is still theirs to write; scripts decide who may.
CREATE POLICY "members see documents that are for them" ON documents FOR SELECT
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND member_may_see(visibility, assigned_to)
           AND (deleted_at IS NULL OR current_setting('app.member_type', true) = 'system'));
CREATE POLICY "a tenant adds its own documents" ON documents FOR INSERT
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant changes its own documents" ON documents FOR UPDATE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant removes its own documents" ON documents FOR DELETE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

DO $$
DECLARE
    tenant CONSTANT text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
    item text;
BEGIN
    FOREACH item IN ARRAY ARRAY['document_chunks', 'chunk_words', 'document_bands', 'expiry_notices'] LOOP
        -- Uncorrelated for words, so that the documents are looked up once and not for each of thousands of words; and
        -- background work sees words whose document is gone, or it could not remove them. Bands are looked up by themselves:
        -- few are asked for, and to look all documents up where anybody has the band would tell by its time that it is there.
        EXECUTE format(
            CASE item WHEN 'chunk_words' THEN
                'CREATE POLICY "members see what belongs to documents they see" ON public.%1$I FOR SELECT USING (%2$s '
                'AND (current_setting(''app.member_type'', true) = ''system'' '
                'OR document_id IN (SELECT d.id FROM public.documents AS d WHERE d.%2$s)))'
            ELSE
                'CREATE POLICY "members see what belongs to documents they see" ON public.%1$I FOR SELECT USING (%2$s '
                'AND EXISTS (SELECT FROM public.documents AS d WHERE d.tenant_id = %1$I.tenant_id AND d.id = %1$I.document_id))'
            END, item, tenant);
        EXECUTE format('CREATE POLICY "a tenant adds its own rows" ON public.%I FOR INSERT WITH CHECK (%s)', item, tenant);
        EXECUTE format('CREATE POLICY "a tenant changes its own rows" ON public.%I FOR UPDATE USING (%s)', item, tenant);
        EXECUTE format('CREATE POLICY "a tenant removes its own rows" ON public.%I FOR DELETE USING (%s)', item, tenant);
    END LOOP;
END
$$;

-- A document's earlier versions: whoever sees the document, and might have seen it as it was then.
CREATE POLICY "members see earlier versions that were for them too" ON document_versions FOR SELECT
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND member_may_see(visibility, assigned_to)
           AND EXISTS (SELECT FROM documents AS d
                       WHERE d.tenant_id = document_versions.tenant_id AND d.id = document_versions.document_id));
CREATE POLICY "a tenant keeps its own versions" ON document_versions FOR INSERT
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant's versions lose its members" ON document_versions FOR UPDATE TO knowledge_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant removes its own versions" ON document_versions FOR DELETE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- Files: like the documents that come out of them; and when one has come out, only with it.
CREATE POLICY "members see files that are for them" ON files FOR SELECT
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND member_may_see(visibility, assigned_to)
           AND (document_id IS NULL OR current_setting('app.member_type', true) = 'system'
                OR EXISTS (SELECT FROM documents AS d WHERE d.tenant_id = files.tenant_id AND d.id = files.document_id)));
CREATE POLICY "a tenant adds its own files" ON files FOR INSERT
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant changes its own files" ON files FOR UPDATE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant removes its own files" ON files FOR DELETE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- Conversations: a member's own, or those of a back end that named no member.
CREATE POLICY "members have their own conversations" ON conversation_sessions
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND (current_setting('app.member_type', true) = 'system'
                OR member_id IS NOT DISTINCT FROM nullif(current_setting('app.member_id', true), '')::integer));
CREATE POLICY "members have the messages of their own conversations" ON conversation_messages
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND session_id IN (SELECT s.id FROM conversation_sessions AS s
                              WHERE s.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid));

-- What has lost what it belonged to is seen by nobody above. Those who find and erase it do.
DO $$
DECLARE
    tenant CONSTANT text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
    item text;
BEGIN
    FOREACH item IN ARRAY ARRAY['document_chunks', 'document_bands', 'document_versions', 'expiry_notices',
                                'conversation_messages'] LOOP
        EXECUTE format('CREATE POLICY "background work sees what belongs to nothing" ON public.%I '
                       'TO knowledge_operator, knowledge_owner '
                       'USING (%s AND current_setting(''app.member_type'', true) = ''system'')', item, tenant);
    END LOOP;
END
$$;

-- What is remembered of questions: a member's own, and an answer only to whom all that it rests on is still shown.
CREATE POLICY "members have what is remembered of their own questions" ON query_embeddings
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND (current_setting('app.member_type', true) = 'system'
                OR subject = coalesce(nullif(current_setting('app.member_id', true), '')::integer, 0)));
CREATE POLICY "members keep answers to their own questions" ON cached_answers
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND (current_setting('app.member_type', true) = 'system'
                OR subject = coalesce(nullif(current_setting('app.member_id', true), '')::integer, 0)));

-- Usage: a member sees their own, an admin all of the tenant.
CREATE POLICY "members see their own usage" ON api_usage FOR SELECT
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND (current_setting('app.member_type', true) IN ('admin', 'system')
                OR member_id IS NOT DISTINCT FROM nullif(current_setting('app.member_id', true), '')::integer));
CREATE POLICY "a tenant counts its own usage" ON api_usage FOR INSERT
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant's usage loses its member" ON api_usage FOR UPDATE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant's usage is erased with it" ON api_usage FOR DELETE
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- The audit log: nobody signs for another; admins read their own tenant's. No policy lets anybody change an entry.
CREATE POLICY "members sign for themselves" ON audit_log FOR INSERT TO knowledge_app
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid AND identity <> 'operator'
                AND member_id IS NOT DISTINCT FROM nullif(current_setting('app.member_id', true), '')::integer);
CREATE POLICY "operators sign in a tenant's log" ON audit_log FOR INSERT TO knowledge_operator
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "admins read their own tenant's log" ON audit_log FOR SELECT
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
           AND current_setting('app.member_type', true) IN ('admin', 'system'));
CREATE POLICY "a tenant's log is erased with it" ON audit_log FOR DELETE TO knowledge_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- Tenants and accounts. A member's login sees the tenant that it is in; the operator's login sees the list and adds to it.
CREATE POLICY "a tenant sees itself" ON tenants FOR SELECT
    USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "operators list tenants" ON tenants FOR SELECT TO knowledge_operator USING (true);
CREATE POLICY "operators create tenants" ON tenants FOR INSERT TO knowledge_operator WITH CHECK (true);
CREATE POLICY "operators know accounts" ON users FOR SELECT TO knowledge_operator USING (true);
CREATE POLICY "operators create accounts" ON users FOR INSERT TO knowledge_operator WITH CHECK (true);
CREATE POLICY "operators set limits" ON tenants FOR UPDATE TO knowledge_operator
    USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY "a tenant is erased by itself alone" ON tenants TO knowledge_owner
    USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
-- A foreign key keeps the accounts that belong to another tenant too: it looks past the policies.
CREATE POLICY "accounts of nobody are erased" ON users FOR DELETE TO knowledge_owner
    USING (nullif(current_setting('app.tenant_id', true), '') IS NOT NULL);
CREATE POLICY "accounts are known to who erases them" ON users FOR SELECT TO knowledge_owner
    USING (nullif(current_setting('app.tenant_id', true), '') IS NOT NULL);
CREATE POLICY "operators keep what was erased" ON erasures TO knowledge_operator USING (true) WITH CHECK (true);
CREATE POLICY "new_id() alone reads the keys of ids" ON id_secrets FOR SELECT TO knowledge_owner USING (true);
CREATE POLICY "take_provider_turn() alone knows the queues" ON provider_queues TO knowledge_owner USING (true) WITH CHECK (true);
CREATE POLICY "take_provider_turn() alone knows who waits" ON provider_turns TO knowledge_owner USING (true) WITH CHECK (true);
