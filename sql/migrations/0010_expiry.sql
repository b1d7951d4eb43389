-- How members are told that something expires: by which channels, each notice at most once, and by a calendar.

ALTER TABLE tenants
    ADD COLUMN date_order text NOT NULL DEFAULT 'day_first' CHECK (date_order IN ('day_first', 'month_first')),
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC'
        CHECK (timezone(time_zone, '2000-01-01 00:00:00+00'::timestamptz) IS NOT NULL);
COMMENT ON COLUMN tenants.date_order IS 'How 03/04/2026 is read: day_first or month_first.';
COMMENT ON COLUMN tenants.time_zone IS 'IANA name of the time zone in which its days begin and end.';

ALTER TABLE family_members ADD COLUMN notice_channels text[] NOT NULL DEFAULT '{email,webhook}'
    CHECK (notice_channels <@ ARRAY['email', 'webhook']);
COMMENT ON COLUMN family_members.notice_channels IS 'By which channels the member wants to be told of what expires.';

CREATE TABLE notice_deliveries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    document_id integer NOT NULL,
    member_id integer NOT NULL,
    threshold text NOT NULL,
    expires_at timestamptz NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
    status text NOT NULL CHECK (status IN ('sending', 'waiting', 'sent', 'failed', 'unknown')),
    attempts integer NOT NULL DEFAULT 1 CHECK (attempts > 0),
    failure_reason text,
    next_attempt_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, document_id, member_id, threshold, expires_at, channel),
    FOREIGN KEY (tenant_id, document_id, member_id, threshold, expires_at)
        REFERENCES expiry_notices (tenant_id, document_id, member_id, threshold, expires_at) ON DELETE CASCADE
);
CREATE INDEX notice_deliveries_being_sent ON notice_deliveries (tenant_id, channel) WHERE status = 'sending';
CREATE INDEX expiry_notices_by_age ON expiry_notices (tenant_id, created_at);
COMMENT ON TABLE notice_deliveries IS 'A notice goes out by a channel, at most once: it is written down before it is sent.';
COMMENT ON COLUMN notice_deliveries.tenant_id IS 'The tenant.';
COMMENT ON COLUMN notice_deliveries.id IS 'The delivery; receivers may tell repeats by it.';
COMMENT ON COLUMN notice_deliveries.document_id IS 'The notice''s document.';
COMMENT ON COLUMN notice_deliveries.member_id IS 'The recipient.';
COMMENT ON COLUMN notice_deliveries.threshold IS 'The notice''s threshold.';
COMMENT ON COLUMN notice_deliveries.expires_at IS 'The notice''s expiry.';
COMMENT ON COLUMN notice_deliveries.channel IS 'email or webhook.';
COMMENT ON COLUMN notice_deliveries.status IS 'sending, waiting for another try, sent, failed, or unknown: its run ended while it was being sent, and it is not sent again.';
COMMENT ON COLUMN notice_deliveries.attempts IS 'How often it was tried; only what certainly did not arrive is tried again.';
COMMENT ON COLUMN notice_deliveries.failure_reason IS 'Why the last try failed, without addresses or content.';
COMMENT ON COLUMN notice_deliveries.next_attempt_at IS 'When it is tried again.';
COMMENT ON COLUMN notice_deliveries.created_at IS 'When it was first tried.';
COMMENT ON COLUMN notice_deliveries.updated_at IS 'When its status last changed.';

CREATE TABLE calendar_feeds (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    member_id integer NOT NULL,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_read_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES family_members (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX calendar_feeds_of_member ON calendar_feeds (tenant_id, member_id);
COMMENT ON TABLE calendar_feeds IS 'An address under which a calendar program reads what expires, as one member sees it, until it is revoked.';
COMMENT ON COLUMN calendar_feeds.tenant_id IS 'The tenant.';
COMMENT ON COLUMN calendar_feeds.id IS 'The feed.';
COMMENT ON COLUMN calendar_feeds.member_id IS 'Whose sight it has.';
COMMENT ON COLUMN calendar_feeds.secret_hash IS 'SHA-256 of the secret in its address, which is shown once and not kept.';
COMMENT ON COLUMN calendar_feeds.created_at IS 'When it was made.';
COMMENT ON COLUMN calendar_feeds.last_read_at IS 'When it was last read.';
COMMENT ON COLUMN calendar_feeds.revoked_at IS 'When it was revoked; empty while it is valid.';

-- What never ends has no expiry. Years beyond these are in no calendar, and days are counted from each expiry.
ALTER TABLE documents NO FORCE ROW LEVEL SECURITY; -- for the next statement; sql/policies forces it again
UPDATE documents SET expires_at = NULL WHERE expires_at < '1899-12-30 00:00:00+00' OR expires_at >= '9999-01-03 00:00:00+00';
ALTER TABLE documents
    ADD CHECK (expires_at >= '1899-12-30 00:00:00+00'::timestamptz AND expires_at < '9999-01-03 00:00:00+00'::timestamptz);
