-- How much the member of this transaction sees, as messages remember it.
CREATE OR REPLACE FUNCTION member_sight() RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE current_setting('app.member_type', true)
               WHEN 'child' THEN 1 WHEN 'teen' THEN 1 WHEN 'adult' THEN 2 WHEN 'admin' THEN 3 WHEN 'system' THEN 3
               ELSE 0 END;
COMMENT ON FUNCTION member_sight() IS 'How much the member of this transaction sees: 0 nobody named, 1 teen or child, 2 adult, 3 admin.';
