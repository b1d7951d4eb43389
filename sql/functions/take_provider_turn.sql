-- Tells a job of the transaction's tenant after how many seconds its request may go to a provider that takes so many
-- requests a minute. 0 is now: the turn is taken. Otherwise the job looks again with the same ticket, at the latest after
-- looks_every seconds, and keeps its place. Who would wait longer than their patience loses it at once, and is told how
-- long it would have been; who comes new is, if others go on asking as in the last minute, so that nobody waits in vain.
-- NULL in, NULL out.
--
-- Whose turn it is: each tenant's n-th question of the last minute comes before another's n+1-th, whoever asks most; of
-- two such, the tenant's comes first that was served longest ago, and within a tenant who came first. Who does not look
-- when they said they would (a job that was killed) is passed over.
--
-- When it is: never more than the limit within a minute, which is what a provider counts, whether by a window that slides
-- or by the clock; a second more leaves room for requests that take longer to arrive. A third of it may come at once, so
-- that a few questions after a quiet minute do not wait for each other; beyond that they are spread, so that no minute
-- begins with a rush and ends with nothing. They are spread a little closer than evenly, so that what is lost when a job
-- looks late is made up for.
--
-- A definer function, because one limit stands over all tenants and no login may see who else waits. Its own predicate is
-- the share: a ticket of another tenant is not touched.
CREATE OR REPLACE FUNCTION take_provider_turn(
    wanted_queue text, own_ticket uuid, requests_per_minute integer, patience_seconds float8, looks_every float8
) RETURNS float8
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
    SET search_path = ''
AS $$
DECLARE
    window_length CONSTANT interval := '61 seconds';
    grace CONSTANT interval := '1 second';
    own_share bytea := sha256(uuid_send(nullif(current_setting('app.tenant_id', true), '')::uuid));
    spacing_seconds float8 := 60.0 / requests_per_minute;
    at_once integer := greatest(requests_per_minute / 3, 1);
    moment timestamptz;
    recent integer;
    free_at timestamptz;
    is_new boolean;
    own_number integer;
    place integer;
    before_it float8;
    wait_seconds float8;
BEGIN
    IF own_share IS NULL THEN
        RAISE EXCEPTION 'take_provider_turn needs a tenant';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('turns:' || wanted_queue, 0));
    moment := clock_timestamp();
    INSERT INTO public.provider_turns (queue, share, ticket, arrived_at, looks_again_at)
    VALUES (wanted_queue, own_share, own_ticket, moment, moment)
    ON CONFLICT (queue, share, ticket) DO UPDATE SET looks_again_at = excluded.looks_again_at
    RETURNING arrived_at = moment INTO is_new;

    SELECT count(*), greatest(
        max(turn.taken_at) FILTER (WHERE turn.latest = 1)
            + make_interval(secs => CASE WHEN count(*) < at_once THEN 0 ELSE 0.9 * spacing_seconds END),
        max(turn.taken_at) FILTER (WHERE turn.latest = requests_per_minute) + window_length,
        (SELECT known.paused_until FROM public.provider_queues AS known WHERE known.queue = wanted_queue),
        moment
    ) INTO recent, free_at
    FROM (SELECT taken_at, row_number() OVER (ORDER BY taken_at DESC) AS latest
          FROM public.provider_turns WHERE queue = wanted_queue AND taken_at > moment - window_length) AS turn;

    SELECT line.place, line.number INTO place, own_number
    FROM (
        SELECT waiting.ticket, waiting.share, waiting.number, row_number() OVER (
            ORDER BY waiting.number + coalesce(served.lately, 0), served.last NULLS FIRST, waiting.arrived_at,
                     waiting.ticket
        ) AS place
        FROM (SELECT ticket, share, arrived_at,
                     row_number() OVER (PARTITION BY share ORDER BY arrived_at, ticket) AS number
              FROM public.provider_turns
              WHERE queue = wanted_queue AND taken_at IS NULL AND looks_again_at > moment - grace) AS waiting
        LEFT JOIN (SELECT share, max(taken_at) AS last,
                          count(*) FILTER (WHERE taken_at > moment - window_length) AS lately
                   FROM public.provider_turns
                   WHERE queue = wanted_queue AND taken_at IS NOT NULL GROUP BY share) AS served USING (share)
    ) AS line
    WHERE line.ticket = own_ticket AND line.share = own_share;
    IF place IS NULL THEN
        RAISE EXCEPTION 'this ticket has had its turn';
    END IF;

    IF place = 1 AND free_at <= moment THEN
        UPDATE public.provider_turns SET taken_at = moment
        WHERE queue = wanted_queue AND share = own_share AND ticket = own_ticket;
        -- Of what was taken, the last minute counts, and each share's last for a while, to know who was served longest ago.
        DELETE FROM public.provider_turns AS old
        WHERE old.queue = wanted_queue AND (
            old.taken_at < moment - interval '10 minutes' OR old.looks_again_at < moment - interval '1 minute'
            AND (old.taken_at IS NULL OR old.taken_at < moment - window_length AND EXISTS (
                SELECT FROM public.provider_turns AS later WHERE later.queue = wanted_queue
                    AND later.share = old.share AND later.taken_at > old.taken_at)));
        RETURN 0;
    END IF;
    -- The first of those who wait may go when a turn is free, the next ones one spacing later each.
    wait_seconds := greatest(0.05, extract(epoch FROM free_at - moment)
        + spacing_seconds * greatest(place - greatest(at_once - recent, 1), 0));
    IF is_new AND wait_seconds <= patience_seconds THEN
        SELECT sum(greatest(0, least(asking.waiting + asking.lately * patience_seconds / 60,
                                     own_number + own.lately - asking.lately)))
        INTO before_it
        FROM (SELECT share, count(*) FILTER (WHERE taken_at IS NULL AND looks_again_at > moment - grace) AS waiting,
                     count(*) FILTER (WHERE taken_at > moment - window_length) AS lately
              FROM public.provider_turns WHERE queue = wanted_queue GROUP BY share) AS asking,
             (SELECT count(*) AS lately FROM public.provider_turns
              WHERE queue = wanted_queue AND share = own_share AND taken_at > moment - window_length) AS own
        WHERE asking.share <> own_share;
        wait_seconds := greatest(wait_seconds, extract(epoch FROM free_at - moment)
            + spacing_seconds * (own_number + coalesce(before_it, 0) - greatest(at_once - recent, 1)));
    END IF;
    IF wait_seconds > patience_seconds THEN
        DELETE FROM public.provider_turns WHERE queue = wanted_queue AND share = own_share AND ticket = own_ticket;
    ELSE
        UPDATE public.provider_turns SET looks_again_at = moment + make_interval(secs => least(wait_seconds, looks_every))
        WHERE queue = wanted_queue AND share = own_share AND ticket = own_ticket;
    END IF;
    RETURN wait_seconds;
END
$$;
COMMENT ON FUNCTION take_provider_turn(text, uuid, integer, float8, float8) IS
    'After how many seconds this request of the transaction''s tenant may go to the provider; 0 is now, and is taken.';
REVOKE ALL ON FUNCTION take_provider_turn(text, uuid, integer, float8, float8) FROM PUBLIC;
