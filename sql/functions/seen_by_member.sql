-- A fingerprint of all that an answer to the member of this transaction may depend on: each document that the member may
-- see, the member and the tenant, by the version of its row, and the type as which the member acts. xmin is the
-- transaction that wrote a row's version, so that no change to a row passes it by; and what is hidden from the member
-- does not change it: who watches for an answer that is not given again learns nothing of what others write. Chunks count
-- through their document, whose row touch_documents() writes again whenever one of its chunks changes. It reads the
-- documents' rows and no more, as each search does; xmin is used again after 2^32 transactions, long after an answer has
-- expired.
CREATE OR REPLACE FUNCTION seen_by_member() RETURNS bytea
    LANGUAGE sql STABLE
    SET search_path = ''
BEGIN ATOMIC
    SELECT sha256(convert_to(concat_ws('/', current_setting('app.member_type', true), min(tenant.xmin::text),
               (SELECT concat(member.id, ':', member.xmin) FROM public.family_members AS member
                WHERE member.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
                  AND member.id = nullif(current_setting('app.member_id', true), '')::integer),
               string_agg(concat(document.id, ':', document.xmin), ',' ORDER BY document.id)), 'UTF8'))
    FROM public.tenants AS tenant
    LEFT JOIN public.documents AS document ON document.tenant_id = tenant.id AND document.deleted_at IS NULL
         AND document.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
    WHERE tenant.id = nullif(current_setting('app.tenant_id', true), '')::uuid;
END;
COMMENT ON FUNCTION seen_by_member() IS
    'SHA-256 over the versions of all that the member of this transaction may see; any change to it gives another.';
