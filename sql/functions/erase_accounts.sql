-- Erases accounts that belong to no tenant any more. Part of erase_tenant() and erase_member(), whose owner's rights it
-- has then; nobody else may call it. An account that belongs to another tenant is kept by its foreign key, which looks
-- past the policies and waits for whoever gives it to another tenant at this moment.
CREATE OR REPLACE FUNCTION erase_accounts(candidates uuid[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE
    SET search_path = ''
AS $$
DECLARE
    candidate uuid;
    erased bigint := 0;
BEGIN
    FOREACH candidate IN ARRAY candidates LOOP
        BEGIN
            DELETE FROM public.users AS account WHERE account.id = candidate;
            erased := erased + FOUND::integer;
        EXCEPTION WHEN foreign_key_violation THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN erased;
END
$$;
COMMENT ON FUNCTION erase_accounts(uuid[]) IS 'Erases those of the accounts that belong to no tenant; returns how many.';
REVOKE ALL ON FUNCTION erase_accounts(uuid[]) FROM PUBLIC;
