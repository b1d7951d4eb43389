-- A query that any of the given stems satisfies, whatever characters they have; for marking words in a snippet.
CREATE OR REPLACE FUNCTION any_of_words(lexemes text[]) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN (SELECT coalesce(string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', '|'), '')::tsquery
            FROM unnest(lexemes) AS lexeme);
COMMENT ON FUNCTION any_of_words(text[]) IS 'A text search query that any of these stems satisfies.';
