-- The next id of a table, scattered by a key that no login reads: a Feistel network of four rounds (Luby and Rackoff
-- 1988) whose round function is SHA-256 under the key, walked until it falls into the range. A permutation, so that no
-- id is given twice; without the key its order is as good as random, so that no tenant learns how much others write, and
-- no member how much is hidden from them. A definer function: the logins have no right on sequences or keys.
CREATE OR REPLACE FUNCTION new_id(sequence_name text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    secret record;
    number bigint;
    high bigint;
    low bigint;
    mask bigint;
    folded bigint;
BEGIN
    SELECT s.key, s.floor, s.half_bits, s.ceiling INTO STRICT secret
    FROM public.id_secrets AS s WHERE s.sequence_name = new_id.sequence_name;
    mask := (1::bigint << secret.half_bits) - 1;
    number := nextval('public.' || quote_ident(sequence_name));
    LOOP
        high := number >> secret.half_bits;
        low := number & mask;
        FOR round IN 1..4 LOOP
            folded := high # (('x' || substr(encode(sha256(secret.key || int4send(round) || int8send(low)), 'hex'), 1, 8))::bit(32)::bigint & mask);
            high := low;
            low := folded;
        END LOOP;
        number := (high << secret.half_bits) | low;
        EXIT WHEN number > secret.floor AND number <= secret.ceiling;
    END LOOP;
    RETURN number;
END
$$;
COMMENT ON FUNCTION new_id(text) IS 'The next id of a sequence, scattered so that it tells nothing of those before it.';
REVOKE ALL ON FUNCTION new_id(text) FROM PUBLIC;

ALTER TABLE family_members ALTER COLUMN id SET DEFAULT new_id('family_members_id_seq');
ALTER TABLE documents ALTER COLUMN id SET DEFAULT new_id('documents_id_seq');
ALTER TABLE document_chunks ALTER COLUMN id SET DEFAULT new_id('document_chunks_id_seq');
ALTER TABLE expiry_notices ALTER COLUMN id SET DEFAULT new_id('expiry_notices_id_seq');
ALTER TABLE conversation_messages ALTER COLUMN id SET DEFAULT new_id('conversation_messages_id_seq');
ALTER TABLE api_usage ALTER COLUMN id SET DEFAULT new_id('api_usage_id_seq');
ALTER TABLE files ALTER COLUMN id SET DEFAULT new_id('files_id_seq');
