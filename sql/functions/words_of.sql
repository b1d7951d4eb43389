-- What a chunk is found by, and what a question asks for: stems in a language. A word that the stemmer calls a stop
-- word is left out; an unknown language is taken as one without stems.
CREATE OR REPLACE FUNCTION words_of(language text, original text) RETURNS tsvector
    LANGUAGE sql STABLE PARALLEL SAFE STRICT
    RETURN to_tsvector(language::regconfig, fold_accents(original));
COMMENT ON FUNCTION words_of(text, text) IS 'The stems of a text in a language (a text search configuration), accents folded.';
