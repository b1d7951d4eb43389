-- Notes that a provider has refused a turn that was taken and asks to wait: nobody's turn comes before that, and the turn
-- is given back with its place, since the provider has not counted it either. Only who has a turn of the transaction's
-- tenant can say so, and for five minutes at most. A definer function for the reason of take_provider_turn().
CREATE OR REPLACE FUNCTION pause_provider_queue(wanted_queue text, own_ticket uuid, seconds float8) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    own_share bytea := sha256(uuid_send(nullif(current_setting('app.tenant_id', true), '')::uuid));
    until_then timestamptz := clock_timestamp() + make_interval(secs => least(greatest(seconds, 0), 300));
BEGIN
    UPDATE public.provider_turns SET taken_at = NULL, looks_again_at = until_then
    WHERE queue = wanted_queue AND share = own_share AND ticket = own_ticket AND taken_at IS NOT NULL;
    IF FOUND THEN
        INSERT INTO public.provider_queues AS known VALUES (wanted_queue, until_then)
        ON CONFLICT (queue) DO UPDATE SET paused_until = greatest(known.paused_until, excluded.paused_until);
    END IF;
END
$$;
COMMENT ON FUNCTION pause_provider_queue(text, uuid, float8) IS
    'Lets nobody''s turn come for so many seconds, and gives back the turn that the provider refused.';
REVOKE ALL ON FUNCTION pause_provider_queue(text, uuid, float8) FROM PUBLIC;
