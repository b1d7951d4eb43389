-- The best passages for a question by their words: BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.6), any word
-- counting. It runs under the caller's policies and counts a word's rarity and the mean length over the given documents
-- alone, which are those that the caller may see and wants searched.
-- b is less than the usual 0.75, because chunks are cut to a bound: their length says less than that of whole documents
-- (PolicyQA, right passage among the first five: .504 instead of .495).
--
-- Of the ten best, those go up that hold a word in exactly the form that was asked for, and not only its stem: such a word
-- adds 0.3 of its rarity (XQuAD, right passage first: English .944 instead of .939, Greek .918 instead of .913). A form is
-- looked for only where the passage's words hold its stem: what a reader does not see counts for nothing here either.
--
-- covered is the share, by rarity, of the question's words that a passage holds, in the passage's language.
-- What is summed are whole numbers, billionths, whose sum is the same in any order (as float8 too, up to 2^53): that of
-- fractions depends on the plan, which depends on what other tenants have written, and passages that are equally good
-- would change places with it.
--
-- A frequent word occurs in most passages, so that what is done for each occurrence is what a search costs. Each is read
-- once, by one look into the index for each word, and is from then on its word's number: nothing is compared as text.
-- Leaving frequent words to the end (MaxScore) would be slower: fewer passages hold the rare words than are wanted.
-- The ways of joining, grouping and looking up are forced, because the planner cannot know how often a tenant uses a word,
-- and expects a handful of rows (28,000 occurrences and 500 documents, compared each with each: 960 ms instead of 20).
-- So a plan is as good for any tenant, and is made once in a session: in a small tenant that is half of the time.
CREATE OR REPLACE FUNCTION rank_by_words(
    tenant uuid, question text, documents integer[], languages text[], chunks float8, mean_length float8, most integer
) RETURNS TABLE (chunk_id integer, document_id integer, covered float8, place bigint)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = ''
    SET enable_nestloop = off
    SET enable_mergejoin = off
    SET enable_sort = off
    SET plan_cache_mode = force_generic_plan
    SET jit = off
    SET max_parallel_workers_per_gather = 0
    SET work_mem = '32MB'
AS $$
#variable_conflict use_column
DECLARE
    spoken text[] := ARRAY(SELECT DISTINCT language FROM unnest(languages) AS language);
    one_language boolean := cardinality(spoken) = 1;
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT row_number() OVER () AS number, tongue, word.lexeme
        FROM unnest(spoken) WITH ORDINALITY AS each (language, tongue)
        CROSS JOIN LATERAL (SELECT (unnest(public.words_of(language, question))).lexeme OFFSET 0) AS word
    ), found AS MATERIALIZED (
        SELECT asked.number, word.*
        FROM asked CROSS JOIN LATERAL (
            SELECT word.chunk_id, word.document_id, word.frequency, word.chunk_length FROM public.chunk_words AS word
            WHERE word.tenant_id = tenant AND word.lexeme = asked.lexeme
              AND (word.document_id IN (SELECT unnest(documents))) IS TRUE
              AND (one_language OR ((word.document_id, asked.tongue) IN (
                  SELECT scope.id, array_position(spoken, scope.language)
                  FROM unnest(documents, languages) AS scope (id, language)
              )) IS TRUE)
            OFFSET 0
        ) AS word
    ), held AS MATERIALIZED (
        SELECT asked.lexeme, coalesce(sum(counted.holders), 0)::float8 AS holders
        FROM asked LEFT JOIN (SELECT number, count(*) AS holders FROM found GROUP BY number) AS counted USING (number)
        GROUP BY asked.lexeme
    ), rarity AS MATERIALIZED (
        SELECT asked.number, asked.tongue,
               round(1e9::float8 * ln(1 + (chunks - holders + 0.5::float8) / (holders + 0.5::float8))) AS billionths
        FROM asked JOIN held USING (lexeme)
    ), best AS (
        SELECT found.chunk_id, found.document_id, min(rarity.tongue) AS tongue, sum(rarity.billionths) AS billionths,
               sum(round(rarity.billionths * found.frequency * 2.2::float8
                         / (found.frequency + 1.2 * (0.4 + 0.6 * found.chunk_length / mean_length)))) AS score
        FROM found JOIN rarity USING (number)
        GROUP BY found.chunk_id, found.document_id
        ORDER BY score DESC, chunk_id
        LIMIT most
    ), whole AS MATERIALIZED (
        SELECT rarity.tongue, sum(rarity.billionths) AS billionths FROM rarity GROUP BY rarity.tongue
    ), form AS MATERIALIZED (
        SELECT DISTINCT asked.number, word, '\m' || word || '\M' AS pattern
        FROM (SELECT word FROM regexp_split_to_table(lower(question), '[^[:alnum:]]+') AS word
              WHERE char_length(word) BETWEEN 1 AND 60 LIMIT 60) AS said
        CROSS JOIN unnest(spoken) WITH ORDINALITY AS each (language, tongue)
        CROSS JOIN LATERAL (SELECT (unnest(public.words_of(each.language, word))).lexeme OFFSET 0) AS stem
        JOIN asked ON asked.tongue = each.tongue AND asked.lexeme = stem.lexeme
    ), foremost AS MATERIALIZED (
        SELECT best.chunk_id, lower(chunk.content) AS content
        FROM (SELECT best.chunk_id FROM best ORDER BY best.score DESC, best.chunk_id LIMIT 10) AS best
        CROSS JOIN LATERAL (
            SELECT content FROM public.document_chunks AS chunk
            WHERE chunk.tenant_id = tenant AND chunk.id = best.chunk_id OFFSET 0
        ) AS chunk
    ), exact AS MATERIALIZED (
        SELECT foremost.chunk_id, sum(round(0.3::float8 * rarity.billionths)) AS more
        FROM (SELECT found.chunk_id, found.number FROM found
              WHERE found.chunk_id = ANY (ARRAY(SELECT foremost.chunk_id FROM foremost))) AS held
        JOIN foremost USING (chunk_id) JOIN form USING (number) JOIN rarity USING (number)
        WHERE strpos(foremost.content, form.word) > 0 AND foremost.content ~ form.pattern
        GROUP BY foremost.chunk_id
    )
    SELECT best.chunk_id, best.document_id, best.billionths / whole.billionths,
           row_number() OVER (ORDER BY best.score + coalesce(exact.more, 0) DESC, best.chunk_id)
    FROM best JOIN whole USING (tongue) LEFT JOIN exact USING (chunk_id);
END
$$;
COMMENT ON FUNCTION rank_by_words(uuid, text, integer[], text[], float8, float8, integer) IS
    'The best passages for a question by their words (BM25) among the given documents, with place from 1.';
