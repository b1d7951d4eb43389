-- Tells which tenants have files or documents that a run could take up now: what waits and is due, and what a killed run
-- has left. One round trip for all of them: a schedule asks every few minutes, and there is rarely anything. Each tenant
-- is entered, because policies let nobody see two at once; what the transaction had set is set again. Inside of a tenant
-- it tells of that one alone.
CREATE OR REPLACE FUNCTION tenants_with_backlog() RETURNS TABLE (tenant uuid, has_files boolean, has_documents boolean)
    LANGUAGE plpgsql
    SET search_path = ''
AS $$
DECLARE
    entered text := coalesce(current_setting('app.tenant_id', true), '');
    viewer text := coalesce(current_setting('app.member_type', true), '');
    everyone uuid[] := ARRAY(SELECT t.id FROM public.tenants AS t WHERE entered IN ('', t.id::text)
                             ORDER BY t.created_at, t.id);
BEGIN
    PERFORM set_config('app.member_type', 'system', true);
    FOREACH tenant IN ARRAY everyone LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true);
        has_files := EXISTS (
            SELECT FROM public.files AS f
            WHERE f.tenant_id = tenant AND f.status IN ('queued', 'processing')
              AND CASE f.status WHEN 'queued' THEN f.next_attempt_at IS NULL OR f.next_attempt_at <= now()
                                ELSE f.lease_until IS NULL OR f.lease_until < now() END);
        has_documents := EXISTS (
            SELECT FROM public.documents AS d
            WHERE d.tenant_id = tenant AND d.status IN ('queued', 'processing') AND d.deleted_at IS NULL
              AND CASE d.status WHEN 'queued' THEN d.next_attempt_at IS NULL OR d.next_attempt_at <= now()
                                ELSE d.lease_until IS NULL OR d.lease_until < now() END);
        IF has_files OR has_documents THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    PERFORM set_config('app.tenant_id', entered, true), set_config('app.member_type', viewer, true);
END
$$;
COMMENT ON FUNCTION tenants_with_backlog() IS
    'Tenants that have work waiting, as far as the caller sees tenants: files to parse or store, documents to embed.';
