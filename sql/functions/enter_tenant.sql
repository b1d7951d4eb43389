-- Sets, for this transaction only, in whose name it runs, and says what was found. One round trip.
--
-- claimed_type: what the caller says of the member; it can only narrow what the database says. Without a member it stands
-- for itself (a trusted back end that knows no ids). 'system' is for background work; scripts never pass a caller's word
-- for it. token: the session token under which the member acts; it must have been issued, and not have been revoked.
-- The settings end with the transaction, so that nothing is left on a pooled connection.
DROP FUNCTION IF EXISTS enter_tenant(uuid, integer, text);
CREATE OR REPLACE FUNCTION enter_tenant(wanted_tenant uuid, wanted_member integer, claimed_type text, token uuid DEFAULT NULL)
    RETURNS TABLE (outcome text, member_type text, language text)
    LANGUAGE plpgsql VOLATILE
    SET search_path = ''
AS $$
DECLARE
    ranks CONSTANT jsonb := '{"child": 1, "teen": 1, "adult": 2, "admin": 3}';
    tenant record;
    stored_type text;
    effective_type text := coalesce(claimed_type, '');
BEGIN
    PERFORM set_config('app.tenant_id', wanted_tenant::text, true),
            set_config('app.member_id', '', true),
            set_config('app.member_type', '', true),
            set_config('app.admins_see_private', 'off', true);
    SELECT t.language, t.admins_see_private INTO tenant FROM public.tenants AS t WHERE t.id = wanted_tenant;
    IF NOT FOUND THEN
        PERFORM set_config('app.tenant_id', '', true);
        RETURN QUERY SELECT 'no_tenant'::text, NULL::text, NULL::text;
        RETURN;
    END IF;
    IF wanted_member IS NOT NULL THEN
        SELECT m.member_type INTO stored_type FROM public.family_members AS m
            WHERE m.tenant_id = wanted_tenant AND m.id = wanted_member AND m.removed_at IS NULL;
        IF NOT FOUND THEN
            PERFORM set_config('app.tenant_id', '', true);
            RETURN QUERY SELECT 'no_member'::text, NULL::text, NULL::text;
            RETURN;
        END IF;
        IF claimed_type IS NULL OR (ranks ->> claimed_type)::integer >= (ranks ->> stored_type)::integer THEN
            effective_type := stored_type;
        ELSIF NOT ranks ? claimed_type THEN
            effective_type := '';
        END IF;
    END IF;
    IF token IS NOT NULL AND NOT EXISTS (
        SELECT FROM public.session_tokens AS issued
        WHERE issued.tenant_id = wanted_tenant AND issued.id = token AND issued.member_id = wanted_member
          AND issued.revoked_at IS NULL AND issued.expires_at > clock_timestamp()
    ) THEN
        PERFORM set_config('app.tenant_id', '', true);
        RETURN QUERY SELECT 'no_token'::text, NULL::text, NULL::text;
        RETURN;
    END IF;
    PERFORM set_config('app.member_id', coalesce(wanted_member::text, ''), true),
            set_config('app.member_type', effective_type, true),
            set_config('app.admins_see_private', CASE WHEN tenant.admins_see_private THEN 'on' ELSE 'off' END, true);
    RETURN QUERY SELECT 'entered'::text, nullif(effective_type, ''), tenant.language::text;
END
$$;
COMMENT ON FUNCTION enter_tenant(uuid, integer, text, uuid) IS
    'Sets tenant and member for this transaction; outcome is entered, no_tenant, no_member or no_token.';
