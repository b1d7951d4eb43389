-- Writes a document's row again, as it is, when its chunks change, so that seen_by_member() knows of it: a batch of
-- vectors, or a repair. A document that this transaction has written already, as a new one, is left alone. It is done in
-- the name of the tenant whose chunks they are, seeing all of it, and what the transaction had set is set again.
CREATE OR REPLACE FUNCTION touch_documents() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = ''
AS $$
DECLARE
    entered text := coalesce(current_setting('app.tenant_id', true), '');
    viewer text := coalesce(current_setting('app.member_type', true), '');
    tenant uuid;
BEGIN
    FOR tenant IN SELECT DISTINCT changed.tenant_id FROM changed LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.member_type', 'system', true);
        UPDATE public.documents AS d SET updated_at = d.updated_at
        WHERE d.tenant_id = tenant AND d.xmin <> pg_current_xact_id()::xid
          AND d.id = ANY (ARRAY(SELECT DISTINCT changed.document_id FROM changed WHERE changed.tenant_id = tenant));
    END LOOP;
    PERFORM set_config('app.tenant_id', entered, true), set_config('app.member_type', viewer, true);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION touch_documents() IS 'Trigger: documents whose chunks changed have changed.';

CREATE OR REPLACE TRIGGER documents_touched_by_new AFTER INSERT ON document_chunks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_documents();
CREATE OR REPLACE TRIGGER documents_touched_by_changed AFTER UPDATE ON document_chunks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_documents();
CREATE OR REPLACE TRIGGER documents_touched_by_removed AFTER DELETE ON document_chunks
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_documents();
