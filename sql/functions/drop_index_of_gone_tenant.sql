-- Drops the vector index of a tenant that does not exist. A definer function, because only the owner of a table may drop
-- its indexes: it takes an id, never SQL, and leaves the index of a tenant that exists. Whether it exists is asked in
-- that tenant's own name, which the owner too needs for it; what the transaction had set is set again.
CREATE OR REPLACE FUNCTION drop_index_of_gone_tenant(gone uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    index_name text := 'document_chunks_nearest_' || replace(gone::text, '-', '');
    entered text := coalesce(current_setting('app.tenant_id', true), '');
    there boolean;
BEGIN
    PERFORM set_config('app.tenant_id', gone::text, true);
    there := EXISTS (SELECT FROM public.tenants WHERE id = gone);
    PERFORM set_config('app.tenant_id', entered, true);
    IF there OR to_regclass('public.' || index_name) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP INDEX public.%I', index_name);
    RETURN true;
END
$$;
COMMENT ON FUNCTION drop_index_of_gone_tenant(uuid) IS 'Drops the vector index of a tenant that does not exist; returns whether there was one.';
REVOKE ALL ON FUNCTION drop_index_of_gone_tenant(uuid) FROM PUBLIC;
