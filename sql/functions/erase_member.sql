-- Erases a member of this transaction's tenant with what is theirs alone, takes their name off what they share with
-- others, and returns how many rows of each table went; without such a member nothing. A definer function, because the
-- logins may not delete most of it; every statement names the tenant beside the policies that are forced on the owner.
CREATE OR REPLACE FUNCTION erase_member(member integer) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    account uuid;
    own integer[];
    passages integer[];
    counts jsonb := '{}';
    item text;
    removed bigint;
BEGIN
    IF tenant IS NULL OR current_setting('app.member_type', true) IS DISTINCT FROM 'system' THEN
        RAISE EXCEPTION 'erase_member needs a tenant, and to see all of it';
    END IF;
    SELECT m.user_id INTO account FROM public.family_members AS m WHERE m.tenant_id = tenant AND m.id = member FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM FROM public.conversation_sessions AS s WHERE s.tenant_id = tenant AND s.member_id = member FOR UPDATE;
    own := ARRAY(SELECT d.id FROM public.documents AS d
                 WHERE d.tenant_id = tenant AND d.assigned_to = member AND d.visibility = 'private' FOR UPDATE);
    passages := ARRAY(SELECT c.id FROM public.document_chunks AS c WHERE c.tenant_id = tenant AND c.document_id = ANY (own));

    -- Shared with others: it stays, without the member. What they counted loses them by its foreign key.
    UPDATE public.documents AS d SET assigned_to = NULL, updated_at = now()
    WHERE d.tenant_id = tenant AND d.assigned_to = member AND d.id <> ALL (own);
    UPDATE public.documents AS d SET created_by = NULL, idempotency_key = NULL, updated_at = now()
    WHERE d.tenant_id = tenant AND d.created_by = member AND d.id <> ALL (own);
    UPDATE public.files AS f SET assigned_to = NULL, updated_at = now()
    WHERE f.tenant_id = tenant AND f.assigned_to = member AND f.visibility <> 'private';
    UPDATE public.files AS f SET created_by = NULL, idempotency_key = NULL, updated_at = now()
    WHERE f.tenant_id = tenant AND f.created_by = member;
    UPDATE public.document_versions AS v SET assigned_to = NULL
    WHERE v.tenant_id = tenant AND v.assigned_to = member AND v.visibility <> 'private';
    UPDATE public.document_versions AS v SET changed_by = NULL WHERE v.tenant_id = tenant AND v.changed_by = member;
    -- Answers to others that rest on the member's own documents may repeat them.
    UPDATE public.conversation_messages AS m SET content = '', citations = '[]'
    WHERE m.tenant_id = tenant AND m.sources && own;

    FOREACH item IN ARRAY ARRAY[
        'next_embeddings WHERE tenant_id = $1 AND document_id = ANY ($3)',
        'chunk_words WHERE tenant_id = $1 AND document_id = ANY ($3)',
        'document_chunks WHERE tenant_id = $1 AND document_id = ANY ($3)',
        'document_bands WHERE tenant_id = $1 AND document_id = ANY ($3)',
        'document_versions WHERE tenant_id = $1 AND (document_id = ANY ($3) OR visibility = ''private'' AND assigned_to = $2)',
        'notice_deliveries WHERE tenant_id = $1 AND (document_id = ANY ($3) OR member_id = $2)',
        'files WHERE tenant_id = $1 AND (document_id = ANY ($3) OR visibility = ''private'' AND assigned_to = $2)',
        'expiry_notices WHERE tenant_id = $1 AND (document_id = ANY ($3) OR member_id = $2)',
        'documents WHERE tenant_id = $1 AND id = ANY ($3)',
        'conversation_messages WHERE tenant_id = $1 AND session_id IN '
            '(SELECT s.id FROM public.conversation_sessions AS s WHERE s.tenant_id = $1 AND s.member_id = $2)',
        'conversation_sessions WHERE tenant_id = $1 AND member_id = $2',
        'calendar_feeds WHERE tenant_id = $1 AND member_id = $2',
        'session_tokens WHERE tenant_id = $1 AND member_id = $2',
        'rate_states WHERE tenant_id = $1 AND subject = $2',
        'chat_slots WHERE tenant_id = $1 AND member_id = $2',
        'query_embeddings WHERE tenant_id = $1 AND subject = $2',
        'cached_answers WHERE tenant_id = $1 AND (subject = $2 OR sources && $3)',
        'imported_ids WHERE tenant_id = $1 AND (kind = ''member'' AND new_id = $2 OR kind = ''document'' AND '
            'new_id = ANY ($3) OR kind = ''chunk'' AND new_id = ANY ($4))',
        'family_members WHERE tenant_id = $1 AND id = $2',
        'tenant_memberships WHERE tenant_id = $1 AND user_id = $5'
    ] LOOP
        EXECUTE 'DELETE FROM public.' || item USING tenant, member, own, passages, account;
        GET DIAGNOSTICS removed = ROW_COUNT;
        counts := counts || jsonb_build_object(split_part(item, ' ', 1), removed);
    END LOOP;
    RETURN counts || jsonb_build_object('users', public.erase_accounts(ARRAY[account]));
END
$$;
COMMENT ON FUNCTION erase_member(integer) IS
    'Erases a member with what is theirs alone; returns how many rows of each table went, or nothing without such a member.';
REVOKE ALL ON FUNCTION erase_member(integer) FROM PUBLIC;
