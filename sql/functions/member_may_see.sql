-- may_see() for the member that enter_tenant() has set for this transaction. Policies call it.
CREATE OR REPLACE FUNCTION member_may_see(visibility text, assigned_to integer) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN may_see(
        current_setting('app.member_type', true),
        nullif(current_setting('app.member_id', true), '')::integer,
        current_setting('app.admins_see_private', true) = 'on',
        visibility, assigned_to);
COMMENT ON FUNCTION member_may_see(text, integer) IS
    'Whether the member of this transaction may see a document of that visibility, assigned to that member.';
