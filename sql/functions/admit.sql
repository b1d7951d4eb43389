-- Lets a caller in, and counts the call: who it is, then the limits of calls, of the tenant and of the member. A call that
-- is refused is not counted. It is a transaction of its own, before any work, so that what it locks is free at once.
--
-- GCRA (the leaky bucket as a meter, ITU-T I.371): a limit is one moment, spent_until; each call puts it off by a step,
-- and a call that would put it off beyond the window is refused. A minute's calls may come at once. Tokens are charged
-- when they are known (sql/functions/charge_tokens), so the budget is looked at here and not counted.
CREATE OR REPLACE FUNCTION admit(
    wanted_tenant uuid, wanted_member integer, claimed_type text, token uuid DEFAULT NULL
) RETURNS TABLE (outcome text, retry_after_seconds integer, budget_after_seconds integer)
    LANGUAGE plpgsql VOLATILE
    SET search_path = ''
AS $$
DECLARE
    moment timestamptz;
BEGIN
    SELECT entered.outcome INTO outcome
    FROM public.enter_tenant(wanted_tenant, wanted_member, claimed_type, token) AS entered;
    IF outcome <> 'entered' THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- One tenant's calls wait here for each other, and for nobody else; what follows then sees what they left.
    PERFORM pg_advisory_xact_lock(hashtextextended('requests:' || wanted_tenant, 0));
    moment := clock_timestamp();
    RETURN QUERY
    WITH wanted AS (
        SELECT 0 AS subject, requests_per_minute FROM public.tenants WHERE id = wanted_tenant
        UNION ALL
        SELECT wanted_member, member_requests_per_minute FROM public.tenants
        WHERE id = wanted_tenant AND wanted_member IS NOT NULL
    ), state AS (
        SELECT wanted.subject, budget.spent_until - moment - interval '1 day' AS over_budget,
               greatest(requests.spent_until, moment) + make_interval(secs => 60.0 / requests_per_minute) AS spent_until
        FROM wanted
        LEFT JOIN public.rate_states AS requests ON requests.tenant_id = wanted_tenant
            AND requests.subject = wanted.subject AND requests.kind = 'requests'
        LEFT JOIN public.rate_states AS budget ON budget.tenant_id = wanted_tenant
            AND budget.subject = wanted.subject AND budget.kind = 'tokens'
    ), verdict AS (
        SELECT max(extract(epoch FROM state.spent_until - moment)) - 60 AS waits,
               max(extract(epoch FROM over_budget)) AS waits_for_budget
        FROM state
    ), counted AS (
        INSERT INTO public.rate_states AS known (tenant_id, subject, kind, spent_until)
        SELECT wanted_tenant, state.subject, 'requests', state.spent_until FROM state, verdict WHERE verdict.waits <= 0
        ON CONFLICT (tenant_id, subject, kind) DO UPDATE SET spent_until = excluded.spent_until
    )
    SELECT CASE WHEN verdict.waits > 0 THEN 'too_many' ELSE 'entered' END,
           greatest(ceil(verdict.waits), 0)::integer, greatest(ceil(coalesce(verdict.waits_for_budget, 0)), 0)::integer
    FROM verdict;
END
$$;
COMMENT ON FUNCTION admit(uuid, integer, text, uuid) IS
    'Lets a caller in and counts the call; outcome is entered, too_many, or what enter_tenant() says. '
    'budget_after_seconds is when tokens may be spent again; 0 is now.';
