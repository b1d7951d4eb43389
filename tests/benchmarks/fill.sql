-- One document with random vectors, straight into the tables.
WITH document AS (
    INSERT INTO documents (tenant_id, title, content, content_hash, visibility, language, chunk_count, word_count)
    VALUES (%(tenant)s, 'Benchmark', 'Benchmark', sha256(random()::text::bytea), %(visibility)s, 'english',
            cardinality(%(texts)s::text[]), 200 * cardinality(%(texts)s::text[]))
    RETURNING id
)
INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content, token_count, words,
                             word_count, embedding, embedding_model)
SELECT %(tenant)s, document.id, number - 1, 0, char_length(content), content, 300, words_of('english', content), 200,
       (SELECT array_agg(random() - 0.5)::real[]::halfvec FROM generate_series(1, 1024) AS place WHERE place + number > 0),
       %(model)s
FROM document, unnest(%(texts)s::text[]) WITH ORDINALITY AS given (content, number)
