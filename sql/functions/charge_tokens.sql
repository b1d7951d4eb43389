-- Takes tokens that were spent from the tenant's and the member's budgets. A budget comes back evenly over 24 hours.
CREATE OR REPLACE FUNCTION charge_tokens(spending_tenant uuid, spending_member integer, tokens bigint) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = ''
BEGIN ATOMIC
    INSERT INTO public.rate_states AS known (tenant_id, subject, kind, spent_until)
    SELECT spending_tenant, spender.subject, 'tokens', now() + interval '1 day' * (tokens::float8 / spender.budget)
    FROM (SELECT 0 AS subject, tokens_per_day AS budget FROM public.tenants WHERE id = spending_tenant
          UNION ALL
          SELECT spending_member, member_tokens_per_day FROM public.tenants
          WHERE id = spending_tenant AND spending_member IS NOT NULL) AS spender
    WHERE tokens > 0
    ORDER BY spender.subject -- always in the same order, so that two never wait for each other
    ON CONFLICT (tenant_id, subject, kind)
        DO UPDATE SET spent_until = greatest(known.spent_until, now()) + (excluded.spent_until - now());
END;
COMMENT ON FUNCTION charge_tokens(uuid, integer, bigint) IS 'Takes tokens from the budgets of a tenant and of a member.';
