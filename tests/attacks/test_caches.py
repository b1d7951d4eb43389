"""What is remembered of questions and answers: nobody is given, or can tell, what another has asked or may see."""

from contextlib import suppress

import psycopg2
import pytest

from f.core import answer_cache, question_cache
from tests.database.worlds import APP, World, fill
from tests.support.cloud import Cloud
from tests.support.installation import Json, Reply, Tenant
from tests.support.reading_model import read_passages

QUESTION = "What is the combination of the safe?"
SECRET = "KX-4711"
PLACES = {"query_embeddings": question_cache.PLACES, "cached_answers": answer_cache.PLACES}


@pytest.fixture
def home(cloud: Cloud) -> Tenant:
    """A tenant of an installation that keeps answers, with a document for adults and one for everybody."""
    cloud.reset()
    cloud.groq.answer = read_passages
    cloud.use(answer_cache_seconds=3600)
    return _home(cloud)


def _home(cloud: Cloud) -> Tenant:
    tenant = cloud.installation.new_tenant()
    cloud.installation.add_document(
        tenant, f"The combination of the safe is {SECRET}.", "Safe", visibility="adults_only"
    )
    cloud.installation.add_document(tenant, "Nobody tells the combination of the safe in school.", "Rules")
    return tenant


def ask(cloud: Cloud, tenant: Tenant, **more: object) -> Reply:
    return cloud.installation.run("f/chatbot/chat", question=QUESTION, tenant_id=tenant.id, **more)


def bought(cloud: Cloud, tenant: Tenant, caller: Json) -> tuple[list[str], Json]:
    """Ask; tell what was bought for it, and the answer."""
    for server in (cloud.cohere, cloud.groq):
        server.requests.clear()
    data = dict(ask(cloud, tenant, **caller).data)
    return sorted(request.path for server in (cloud.cohere, cloud.groq) for request in server.requests), data


def test_a_question_costs_each_member_and_tenant_what_it_costs_the_first(cloud: Cloud, home: Tenant) -> None:
    """Neither what is asked of providers, and so the time, nor ``cached`` tells that somebody has asked before."""
    other = _home(cloud)
    callers: list[tuple[Tenant, Json]] = [
        (tenant, caller)
        for tenant in (home, other)
        for caller in (
            {"user_member_id": tenant.adult},
            {"user_member_id": tenant.admin},
            {"user_member_id": tenant.teen},
            {"user_member_id": tenant.child},
            {},
        )
    ]
    first, _ = bought(cloud, *callers[0])
    assert bought(cloud, *callers[0])[0] == []  # or there would be nothing to tell
    assert first
    for tenant, caller in callers[1:]:
        paths, data = bought(cloud, tenant, caller)
        assert (paths, data["cached"]) == (first, False), caller


def test_who_sees_less_from_now_on_is_given_nothing_that_they_were_given_before(cloud: Cloud, home: Tenant) -> None:
    caller: Json = {"user_member_id": home.adult}
    change = cloud.installation.run
    assert SECRET in ask(cloud, home, **caller).text
    assert ask(cloud, home, **caller).data["cached"]

    narrowed = ask(cloud, home, **caller, user_member_type="teen")
    assert (narrowed.data["cached"], SECRET in narrowed.text) == (False, False)
    change("f/operations/change_member", tenant_id=home.id, user_member_id=home.adult, member_type="teen").done()
    lowered = ask(cloud, home, **caller)
    assert (lowered.data["cached"], SECRET in lowered.text) == (False, False)
    change("f/operations/change_member", tenant_id=home.id, user_member_id=home.adult, member_type="adult").done()
    raised = ask(cloud, home, **caller)
    assert (raised.data["cached"], SECRET in raised.text) == (False, True)
    cloud.installation.query("UPDATE documents SET visibility = 'admins_only' WHERE tenant_id = %s", (home.id,))
    hidden = ask(cloud, home, **caller)
    assert (hidden.data["cached"], SECRET in hidden.text) == (False, False)
    change("f/operations/remove_member", tenant_id=home.id, user_member_id=home.adult).done()
    assert SECRET not in ask(cloud, home, **caller).refused(404)


def test_an_answer_that_another_is_writing_at_the_moment_of_the_change_is_not_given_later(
    cloud: Cloud, home: Tenant
) -> None:
    caller: Json = {"user_member_id": home.adult}

    def hide(messages: list[Json]) -> str:
        cloud.installation.query(
            "UPDATE documents SET visibility = 'admins_only' WHERE tenant_id = %s AND title = 'Safe'", (home.id,)
        )
        return f"It is {SECRET} [1]."

    cloud.groq.answer = hide
    assert SECRET in ask(cloud, home, **caller).text
    cloud.groq.answer = lambda messages: "[0] Nobody knows."
    after = ask(cloud, home, **caller)
    assert (after.data["cached"], SECRET in after.text) == (False, False)


def test_a_flood_of_questions_fills_a_members_own_places_and_no_more(cloud: Cloud, home: Tenant) -> None:
    adult: Json = {"user_member_id": home.adult}
    ask(cloud, home, **adult).done()
    with cloud.installation.as_admin() as cursor:
        for table, places in PLACES.items():
            cursor.execute(
                f"INSERT INTO {table}"
                " SELECT (jsonb_populate_record(t, jsonb_build_object('subject', %s, 'place', n))).*"
                f" FROM {table} AS t, generate_series(0, %s) AS n WHERE t.tenant_id = %s AND subject = %s",
                (home.teen, places - 1, home.id, home.adult),
            )
    ask(cloud, home, user_member_id=home.teen).done()

    assert ask(cloud, home, **adult).data["cached"]
    rows = "SELECT count(*) AS rows FROM {} WHERE tenant_id = %s AND subject = %s"
    for table, places in PLACES.items():
        assert cloud.installation.query(rows.format(table), (home.id, home.teen)) == [{"rows": places}]


ANSWER = "subject, place, key, seen, answer, chunks, sources, model, provider, expires_at"
FORGERIES = {
    "an answer put into another's place": (
        f"INSERT INTO cached_answers (tenant_id, {ANSWER})"
        f" SELECT tenant_id, %(victim)s, {ANSWER.removeprefix('subject, ')} FROM cached_answers"
    ),
    "another's answer replaced": (
        f"INSERT INTO cached_answers (tenant_id, {ANSWER})"
        f" SELECT tenant_id, %(victim)s, {ANSWER.removeprefix('subject, ')} FROM cached_answers"
        " ON CONFLICT (tenant_id, subject, place) DO UPDATE SET answer = 'Pay me.'"
    ),
    "another's answer changed": "UPDATE cached_answers SET answer = 'Pay me.' WHERE subject = %(victim)s",
    "a vector put into another's place": (
        "INSERT INTO query_embeddings SELECT tenant_id, %(victim)s, 9, key, embedding FROM query_embeddings"
    ),
    "another's vector changed": "UPDATE query_embeddings SET key = sha256('x') WHERE subject = %(victim)s",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_nobody_writes_what_another_is_given(world: World, forgery: str) -> None:
    """By SQL, as the members' login in one's own name."""
    tenant = fill(world)
    with world.entered(APP, tenant.id, tenant.members["admin"]) as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM cached_answers) + (SELECT count(*) FROM query_embeddings) AS rows")
        assert cursor.fetchone()["rows"] == 0
    with world.connected("postgres") as cursor:
        cursor.execute(
            "UPDATE cached_answers SET subject = %s WHERE tenant_id = %s", (tenant.members["admin"], tenant.id)
        )
        cursor.execute(
            "INSERT INTO cached_answers SELECT tenant_id, %s, 1, key, seen, answer, chunks, sources, model, provider,"
            " expires_at FROM cached_answers WHERE tenant_id = %s",
            (tenant.members["adult"], tenant.id),
        )
    with (
        world.entered(APP, tenant.id, tenant.members["adult"]) as cursor,
        suppress(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(FORGERIES[forgery], {"victim": tenant.members["admin"]})
        assert cursor.rowcount == 0
