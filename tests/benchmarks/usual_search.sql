-- Hybrid search as teams write it, from pgvector's own example: one index over all tenants' vectors, words by to_tsvector
-- at query time, both fused by reciprocal rank in one statement; tenant and visibility in the WHERE.
WITH nearest AS (
    SELECT id, row_number() OVER (ORDER BY distance) AS place
    FROM (SELECT id, embedding <=> %(vector)s::vector AS distance FROM usual_passages
          WHERE tenant_id = %(tenant)s AND visibility = ANY (%(visibilities)s)
          ORDER BY distance LIMIT 20) AS near
), matching AS (
    SELECT id, row_number() OVER (ORDER BY rank DESC) AS place
    FROM (SELECT id, ts_rank_cd(to_tsvector(%(language)s, content), query) AS rank
          FROM usual_passages, plainto_tsquery(%(language)s, %(question)s) AS query
          WHERE tenant_id = %(tenant)s AND visibility = ANY (%(visibilities)s)
            AND to_tsvector(%(language)s, content) @@ query
          ORDER BY rank DESC LIMIT 20) AS best
)
SELECT passage.id, passage.document_id, passage.title, passage.content,
       coalesce(1.0 / (60 + nearest.place), 0) + coalesce(1.0 / (60 + matching.place), 0) AS score
FROM nearest FULL JOIN matching USING (id) JOIN usual_passages AS passage USING (id)
ORDER BY score DESC, passage.id
LIMIT 10
