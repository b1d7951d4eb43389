-- Keeps chunk_words in step with document_chunks. Runs with the rights of whoever changes the chunks, under the same
-- policies. A chunk's words never change: a new text is a new chunk.
CREATE OR REPLACE FUNCTION add_chunk_words() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    INSERT INTO public.chunk_words (tenant_id, lexeme, chunk_id, document_id, frequency, chunk_length)
    SELECT added.tenant_id, word.lexeme, added.id, added.document_id, cardinality(word.positions), least(added.word_count, 32767)
    FROM added, unnest(added.words) AS word;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION add_chunk_words() IS 'Trigger: the words of new chunks.';

-- A chunk goes with its document by a cascade, which runs as the tables' owner, after the document is gone, and when a
-- tenant is removed without being entered. The words must go all the same: so they are removed in the name of the tenant
-- whose chunks were, and what the transaction had set is set again. Their places are looked up by their whole keys, and
-- then only the places are gone to. Of a tenant that it knows nothing of yet the planner would believe that it has a
-- word or two, and compare all of its words with all that are removed: a minute for 1,000,000 characters.
CREATE OR REPLACE FUNCTION remove_chunk_words() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = ''
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    SET enable_indexscan = on
AS $$
DECLARE
    entered text := coalesce(current_setting('app.tenant_id', true), '');
    viewer text := coalesce(current_setting('app.member_type', true), '');
    tenant uuid;
    places tid[];
BEGIN
    FOR tenant IN SELECT DISTINCT removed.tenant_id FROM removed LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.member_type', 'system', true);
        PERFORM set_config('enable_indexscan', 'on', true);
        places := ARRAY(
            SELECT found.place
            FROM removed, unnest(tsvector_to_array(removed.words)) AS gone (lexeme), LATERAL (
                SELECT word.ctid AS place FROM public.chunk_words AS word
                WHERE word.tenant_id = tenant AND word.lexeme = gone.lexeme AND word.chunk_id = removed.id OFFSET 0
            ) AS found
            WHERE removed.tenant_id = tenant
        );
        PERFORM set_config('enable_indexscan', 'off', true);
        DELETE FROM public.chunk_words WHERE ctid = ANY (places);
    END LOOP;
    PERFORM set_config('app.tenant_id', entered, true), set_config('app.member_type', viewer, true);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION remove_chunk_words() IS 'Trigger: the words of removed chunks.';

CREATE OR REPLACE TRIGGER chunk_words_added AFTER INSERT ON document_chunks
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_chunk_words();
CREATE OR REPLACE TRIGGER chunk_words_removed AFTER DELETE ON document_chunks
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_chunk_words();
