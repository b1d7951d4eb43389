-- Lower case without accents and final sigmas, so that "λήγει", "ΛΗΓΕΙ" and "ληγει" are the same word. Needs no extension.
CREATE OR REPLACE FUNCTION fold_accents(original text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN translate(regexp_replace(normalize(lower(original), NFD), U&'[\0300-\036F]', '', 'g'), 'ς', 'σ');
COMMENT ON FUNCTION fold_accents(text) IS 'Lower case without accents; what words are compared by.';
