-- Who there is: tenants, people with an account, and the members of each tenant.

CREATE TABLE tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(200) NOT NULL CHECK (name <> ''),
    slug varchar(63) NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'),
    kind text NOT NULL DEFAULT 'family' CHECK (kind IN ('family', 'school', 'company')),
    language text NOT NULL DEFAULT 'english',
    retention_days integer NOT NULL DEFAULT 30 CHECK (retention_days BETWEEN 0 AND 3650),
    admins_see_private boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tenants IS 'A family, a school or a company: the wall that nothing passes.';
COMMENT ON COLUMN tenants.id IS 'Random, so that it tells nothing of other tenants.';
COMMENT ON COLUMN tenants.name IS 'What its members call it.';
COMMENT ON COLUMN tenants.slug IS 'Short name in lower-case letters, digits and hyphens; operators alone see it.';
COMMENT ON COLUMN tenants.kind IS 'family, school or company.';
COMMENT ON COLUMN tenants.language IS 'Text search configuration for documents whose language cannot be told.';
COMMENT ON COLUMN tenants.retention_days IS 'Days between soft deletion of a document and its purge.';
COMMENT ON COLUMN tenants.admins_see_private IS 'Whether admins see private documents that are assigned to others.';
COMMENT ON COLUMN tenants.created_at IS 'When the tenant was created.';

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND email LIKE '%_@_%'),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE users IS 'A person with an account, who may belong to several tenants. Operators alone read it.';
COMMENT ON COLUMN users.id IS 'Random id of the account.';
COMMENT ON COLUMN users.email IS 'Address in lower case.';
COMMENT ON COLUMN users.created_at IS 'When the account was first mentioned.';

CREATE TABLE tenant_memberships (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
COMMENT ON TABLE tenant_memberships IS 'An account belongs to a tenant.';
COMMENT ON COLUMN tenant_memberships.tenant_id IS 'The tenant.';
COMMENT ON COLUMN tenant_memberships.user_id IS 'The account.';
COMMENT ON COLUMN tenant_memberships.created_at IS 'Since when.';

CREATE TABLE family_members (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id serial NOT NULL,
    user_id uuid,
    name varchar(200) NOT NULL CHECK (name <> ''),
    member_type text NOT NULL CHECK (member_type IN ('admin', 'adult', 'teen', 'child')),
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_memberships (tenant_id, user_id)
);
COMMENT ON TABLE family_members IS 'A member of a tenant: who searches, asks, and has documents assigned. A child needs no account.';
COMMENT ON COLUMN family_members.tenant_id IS 'The tenant.';
COMMENT ON COLUMN family_members.id IS 'What scripts call user_member_id.';
COMMENT ON COLUMN family_members.user_id IS 'The account, where the member has one.';
COMMENT ON COLUMN family_members.name IS 'What the tenant calls the member.';
COMMENT ON COLUMN family_members.member_type IS 'admin, adult, teen or child: decides what the member sees.';
COMMENT ON COLUMN family_members.created_at IS 'When the member was added.';
COMMENT ON COLUMN family_members.removed_at IS 'When the member was removed; a removed member sees nothing.';
