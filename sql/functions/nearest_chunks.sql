-- The passages of the given documents whose vectors are nearest to a question's, by cosine, among those of one model. It
-- runs under the caller's policies. Which way it goes follows from the tenant's own index and sizes alone:
--   no index: all of the tenant's vectors are compared, in one pass;
--   an index, and many passages among which to look: the index, as far as it takes to have enough after the filter. It may
--     give rows out of order, so that who calls sorts them;
--   an index, and few passages: theirs are compared, found by document. The index would be asked for neighbours nearly all
--     of which are left out: its time grows as their share falls, that of comparing as their number grows, and both are
--     equal where the square of their number is some thousand times the index's (measured: 50,000 and 7,000).
-- The ways are forced because the planner knows neither how many of a tenant's passages a member may see nor that passages
-- of a document lie together, expects a handful of rows, and then never takes the index. With an index, statements are
-- made at each call (EXECUTE), so that their arguments are constants: a plan for any tenant could not use the index of one.
CREATE OR REPLACE FUNCTION nearest_chunks(
    tenant uuid, vector halfvec, model text, documents integer[], chunks float8, most integer
) RETURNS TABLE (chunk_id integer, document_id integer, similarity float8)
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = ''
    SET enable_nestloop = on
    SET enable_mergejoin = off
    SET enable_sort = on
    SET enable_seqscan = on
    SET plan_cache_mode = force_generic_plan
    SET jit = off
    SET max_parallel_workers_per_gather = 0
AS $$
#variable_conflict use_column
DECLARE
    indexed float8 := (SELECT reltuples FROM pg_catalog.pg_class
                       WHERE oid = to_regclass('public.document_chunks_nearest_' || replace(tenant::text, '-', '')));
BEGIN
    IF indexed IS NULL THEN
        PERFORM set_config('enable_nestloop', 'off', true);
        RETURN QUERY
            SELECT c.id, c.document_id, 1 - (c.embedding OPERATOR(public.<=>) vector) FROM public.document_chunks AS c
            JOIN unnest(documents) AS scope (id) ON scope.id = c.document_id
            WHERE c.tenant_id = tenant AND c.embedding_model = model
            ORDER BY c.embedding OPERATOR(public.<=>) vector, c.id LIMIT most;
    ELSIF chunks * chunks > 1000 * indexed THEN
        PERFORM set_config('hnsw.ef_search', '200', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
                set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true);
        RETURN QUERY EXECUTE
            'SELECT c.id, c.document_id, 1 - (c.embedding OPERATOR(public.<=>) $2) FROM public.document_chunks AS c '
            'WHERE c.tenant_id = $1 AND c.embedding_model = $3 AND (c.document_id IN (SELECT unnest($4))) IS TRUE '
            'ORDER BY c.embedding OPERATOR(public.<=>) $2 LIMIT $5'
            USING tenant, vector, model, documents, most;
    ELSE
        RETURN QUERY EXECUTE
            'SELECT c.id, c.document_id, 1 - c.distance FROM unnest($4) AS scope (id) CROSS JOIN LATERAL ('
            '    SELECT id, document_id, embedding OPERATOR(public.<=>) $2 AS distance FROM public.document_chunks '
            '    WHERE tenant_id = $1 AND document_id = scope.id AND embedding_model = $3 OFFSET 0'
            ') AS c ORDER BY c.distance, c.id LIMIT $5'
            USING tenant, vector, model, documents, most;
    END IF;
END
$$;
COMMENT ON FUNCTION nearest_chunks(uuid, halfvec, text, integer[], float8, integer) IS
    'The passages of the given documents nearest to a vector by cosine, in no order; chunks is how many these documents have.';
