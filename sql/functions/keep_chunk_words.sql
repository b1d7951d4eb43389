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

CREATE OR REPLACE FUNCTION remove_chunk_words() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    DELETE FROM public.chunk_words AS word
    USING removed, unnest(tsvector_to_array(removed.words)) AS gone (lexeme)
    WHERE word.tenant_id = removed.tenant_id AND word.lexeme = gone.lexeme AND word.chunk_id = removed.id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION remove_chunk_words() IS 'Trigger: the words of removed chunks.';

CREATE OR REPLACE TRIGGER chunk_words_added AFTER INSERT ON document_chunks
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_chunk_words();
CREATE OR REPLACE TRIGGER chunk_words_removed AFTER DELETE ON document_chunks
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_chunk_words();
