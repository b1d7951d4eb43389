-- The best passages for a question by their words: BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75), any word
-- counting. It runs under the caller's policies and counts a word's rarity and the mean length over the given documents
-- alone, which are those that the caller may see and wants searched.
--
-- covered is the share, by rarity, of the question's words that a passage holds, in the passage's language.
-- What is summed are whole numbers, billionths, whose sum is the same in any order: that of floats depends on the plan,
-- which depends on what other tenants have written, and passages that are equally good would change places with it.
-- Nested loops and merge joins are off because the planner cannot know how often a tenant uses a word: it expects a
-- handful of rows, and would compare each of thousands with each document (28,000 and 500: 960 ms instead of 30).
CREATE OR REPLACE FUNCTION rank_by_words(
    tenant uuid, question text, documents integer[], languages text[], chunks float8, mean_length float8, most integer
) RETURNS TABLE (chunk_id integer, document_id integer, covered float8, place bigint)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = ''
    SET enable_nestloop = off
    SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    lexemes text[];
BEGIN
    SELECT array_agg(DISTINCT word.lexeme) INTO lexemes
    FROM (SELECT DISTINCT language FROM unnest(languages) AS language) AS spoken,
         unnest(public.words_of(spoken.language, question)) AS word;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT spoken.language, unnest(tsvector_to_array(public.words_of(spoken.language, question))) AS lexeme
        FROM (SELECT DISTINCT language FROM unnest(languages) AS language) AS spoken
    ), seen AS MATERIALIZED (
        SELECT scope.language, word.lexeme, word.chunk_id, word.document_id, word.frequency, word.chunk_length
        FROM public.chunk_words AS word
        JOIN unnest(documents, languages) AS scope (id, language) ON scope.id = word.document_id
        WHERE word.tenant_id = tenant AND word.lexeme = ANY (lexemes)
    ), found AS MATERIALIZED (
        SELECT seen.* FROM seen JOIN asked USING (language, lexeme)
    ), rarity AS MATERIALIZED (
        SELECT asked.lexeme,
               (1e9::float8 * ln(1 + (chunks - count(found.lexeme) + 0.5) / (count(found.lexeme) + 0.5)))::bigint AS billionths
        FROM (SELECT DISTINCT lexeme FROM asked) AS asked LEFT JOIN found USING (lexeme)
        GROUP BY asked.lexeme
    ), whole AS MATERIALIZED (
        SELECT language, sum(billionths) AS billionths FROM asked JOIN rarity USING (lexeme) GROUP BY language
    ), best AS (
        SELECT found.chunk_id, found.document_id, (sum(rarity.billionths) / min(whole.billionths))::float8 AS covered,
               sum((rarity.billionths * found.frequency * 2.2::float8
                    / (found.frequency + 1.2 * (0.25 + 0.75 * found.chunk_length / mean_length)))::bigint) AS score
        FROM found JOIN rarity USING (lexeme) JOIN whole USING (language)
        GROUP BY found.chunk_id, found.document_id
        ORDER BY score DESC, chunk_id
        LIMIT most
    )
    SELECT best.chunk_id, best.document_id, best.covered, row_number() OVER (ORDER BY best.score DESC, best.chunk_id)
    FROM best;
END
$$;
COMMENT ON FUNCTION rank_by_words(uuid, text, integer[], text[], float8, float8, integer) IS
    'The best passages for a question by their words (BM25) among the given documents, with place from 1.';
