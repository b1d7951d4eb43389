-- Lets a run answer a question, unless as many as are allowed are being answered already. The slot is given back by
-- deleting it, or ends by itself: a run that was killed holds it no longer than it could have taken. A run that is
-- repeated takes its own slot again.
CREATE OR REPLACE FUNCTION take_chat_slot(asking_tenant uuid, asking_member integer, run text, most_seconds float8)
    RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = ''
AS $$
DECLARE
    allowed boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('chats:' || asking_tenant, 0));
    DELETE FROM public.chat_slots AS slot
    WHERE slot.tenant_id = asking_tenant AND (slot.ends_at < clock_timestamp() OR slot.run_id = run);
    SELECT count(slot.*) < tenant.concurrent_chats
           AND count(slot.*) FILTER (WHERE slot.member_id = asking_member) < tenant.member_concurrent_chats
    INTO allowed
    FROM public.tenants AS tenant LEFT JOIN public.chat_slots AS slot ON slot.tenant_id = tenant.id
    WHERE tenant.id = asking_tenant
    GROUP BY tenant.id, tenant.concurrent_chats, tenant.member_concurrent_chats;
    IF allowed THEN
        INSERT INTO public.chat_slots (tenant_id, run_id, member_id, ends_at)
        VALUES (asking_tenant, run, asking_member, clock_timestamp() + make_interval(secs => most_seconds));
    END IF;
    RETURN coalesce(allowed, false);
END
$$;
COMMENT ON FUNCTION take_chat_slot(uuid, integer, text, float8) IS
    'Whether this run may answer a question now; it then holds a slot for at most so many seconds.';
