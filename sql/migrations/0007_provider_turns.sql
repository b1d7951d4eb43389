-- Turns at a model whose provider limits requests: one limit for the whole installation, shared fairly by its tenants.
--
-- No column names a tenant, a member or a run: a share is a digest of the tenant's id, and a ticket is a random number that
-- one job has drawn. No login may read or write a row; take_provider_turn() and pause_provider_queue() do (sql/functions).
-- Unlogged: what is lost with a crash is who waits, and they come again by themselves.
CREATE UNLOGGED TABLE provider_queues (
    queue text PRIMARY KEY CHECK (char_length(queue) <= 300),
    paused_until timestamptz NOT NULL
);
COMMENT ON TABLE provider_queues IS 'A model whose provider has asked to be left alone for a time.';
COMMENT ON COLUMN provider_queues.queue IS 'The provider and its model.';
COMMENT ON COLUMN provider_queues.paused_until IS 'Nobody''s turn comes before this.';

CREATE UNLOGGED TABLE provider_turns (
    queue text NOT NULL CHECK (char_length(queue) <= 300),
    share bytea NOT NULL CHECK (length(share) = 32),
    ticket uuid NOT NULL,
    arrived_at timestamptz NOT NULL,
    looks_again_at timestamptz NOT NULL,
    taken_at timestamptz,
    PRIMARY KEY (queue, share, ticket)
) WITH (fillfactor = 70);
CREATE INDEX provider_turns_taken ON provider_turns (queue, taken_at);
COMMENT ON TABLE provider_turns IS 'A request to a provider that waits for its turn, or has had it.';
COMMENT ON COLUMN provider_turns.queue IS 'The provider and its model.';
COMMENT ON COLUMN provider_turns.share IS 'A digest of the tenant''s id: turns go round among shares.';
COMMENT ON COLUMN provider_turns.ticket IS 'Drawn by the job that waits; it tells nothing of it.';
COMMENT ON COLUMN provider_turns.arrived_at IS 'Since when it waits.';
COMMENT ON COLUMN provider_turns.looks_again_at IS 'When its job looks again; who does not is passed over, and forgotten after a minute.';
COMMENT ON COLUMN provider_turns.taken_at IS 'When it had its turn; empty while it waits.';
