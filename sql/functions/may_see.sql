-- The one predicate for who sees what inside a tenant. Every reading path uses it: policies on each table that holds
-- documents, through member_may_see(), and the choice of whom to notify. 'system' is background work (embedding,
-- clean-up), which no caller's argument can name; a viewer of no type sees what is for everyone.
CREATE OR REPLACE FUNCTION may_see(
    viewer_type text, viewer_id integer, admins_see_private boolean, visibility text, assigned_to integer
) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(
        CASE
            WHEN viewer_type = 'system' THEN true
            WHEN visibility = 'everyone' THEN true
            WHEN visibility = 'adults_only' THEN viewer_type IN ('adult', 'admin')
            WHEN visibility = 'admins_only' THEN viewer_type = 'admin'
            WHEN visibility = 'private' THEN assigned_to = viewer_id OR (viewer_type = 'admin' AND admins_see_private)
        END,
        false);
COMMENT ON FUNCTION may_see(text, integer, boolean, text, integer) IS
    'Whether a member of this type and id may see a document of that visibility, assigned to that member.';
