"""The same jobs as a careful team writes them: every import at the top, a client each, one call after the other.

They are what ``start_of_job`` compares with. They are meant to be correct and quick at what they do: one statement
searches by words and vectors inside the tenant, pgvector's adapter is registered, the SDKs are used as documented, and
nothing waits that need not. They know nothing of visibility, limits, audit or hidden text.
"""
