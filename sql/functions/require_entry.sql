-- Enters a tenant, or raises the outcome with which that was refused: so that what stands behind it in the same round
-- trip is not run. The code of the error is the scripts' own (f/core/database.py).
CREATE OR REPLACE FUNCTION require_entry(wanted_tenant uuid, wanted_member integer, claimed_type text, token uuid DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = ''
AS $$
DECLARE
    outcome text;
BEGIN
    SELECT entered.outcome INTO outcome
    FROM public.enter_tenant(wanted_tenant, wanted_member, claimed_type, token) AS entered;
    IF outcome IS DISTINCT FROM 'entered' THEN
        RAISE EXCEPTION USING ERRCODE = 'KB001', MESSAGE = outcome;
    END IF;
END
$$;
COMMENT ON FUNCTION require_entry(uuid, integer, text, uuid) IS
    'Sets tenant and member for this transaction as enter_tenant() does; raises KB001 with its outcome where that is not entered.';
