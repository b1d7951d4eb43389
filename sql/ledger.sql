-- Which migrations a database has had. Made before the first of them.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_migrations IS 'A migration that this database has had.';
COMMENT ON COLUMN schema_migrations.version IS 'Its file''s name, without the ending.';
COMMENT ON COLUMN schema_migrations.checksum IS 'SHA-256 of the file: a released migration is never changed.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was run.';
