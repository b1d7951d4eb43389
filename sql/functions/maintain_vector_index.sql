-- Makes the vector index of one tenant when it has become large, and drops it when it has become small. A definer
-- function, because only the owner of a table may index it: its tenant is the one of this transaction, it reads that
-- tenant's rows alone (row-level security is forced on the owner too), and it takes numbers, never SQL.
--
-- One index over all tenants would find .73 to .90 of what is there, and tell one tenant of another by its time.
-- Below the threshold an exact scan is as quick and finds everything. A graph that does not fit into memory while it is
-- built takes many times as long, so it is given what it needs, up to a gigabyte.
CREATE OR REPLACE FUNCTION maintain_vector_index(make_above integer, drop_below integer) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    index_name text := 'document_chunks_nearest_' || replace(tenant::text, '-', '');
    there boolean;
    vectors bigint;
    kilobytes bigint := (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem');
BEGIN
    IF tenant IS NULL OR make_above <= drop_below OR drop_below < 0 THEN
        RAISE EXCEPTION 'maintain_vector_index needs a tenant and make_above > drop_below >= 0';
    END IF;
    there := to_regclass('public.' || index_name) IS NOT NULL;
    SELECT count(*) INTO vectors FROM public.document_chunks AS c WHERE c.tenant_id = tenant AND c.embedding IS NOT NULL;
    IF vectors > make_above AND NOT there THEN
        PERFORM set_config('maintenance_work_mem', greatest(kilobytes, least(3 * vectors + 65536, 1048576)) || 'kB', true);
        EXECUTE format(
            'CREATE INDEX %I ON public.document_chunks USING hnsw (embedding public.halfvec_cosine_ops) '
            'WITH (m = 16, ef_construction = 128) WHERE tenant_id = %L', index_name, tenant);
        RETURN 'made';
    ELSIF vectors < drop_below AND there THEN
        EXECUTE format('DROP INDEX public.%I', index_name);
        RETURN 'dropped';
    END IF;
    RETURN CASE WHEN there THEN 'kept' ELSE 'none' END;
END
$$;
COMMENT ON FUNCTION maintain_vector_index(integer, integer) IS
    'Makes or drops the vector index of the transaction''s tenant by its number of vectors; returns made, dropped, kept or none.';
REVOKE ALL ON FUNCTION maintain_vector_index(integer, integer) FROM PUBLIC;
